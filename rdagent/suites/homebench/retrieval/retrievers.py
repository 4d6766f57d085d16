"""Retrievers without a model: by name, by the gold, by chance, and none at all.

Whoever has another way to choose rooms offers the same one method.  What is chosen are names
of rooms; a room stands for its status and its methods together, so that the two never part.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from rdagent.errors import UsageError
from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.records import Record
from rdagent.suites.homebench.retrieval.clauses import split_clauses
from rdagent.suites.homebench.retrieval.naming import named_devices, named_rooms
from rdagent.suites.homebench.scoring.operations import ERROR_INPUT

DEFAULT_TOP_K = 2


class Retriever(Protocol):
    """Chooses the rooms that a model is shown."""

    @property
    def name(self) -> str:
        """What it is called on the command line and in results."""

    def rooms(self, record: Record, home: Home, top_k: int) -> tuple[str, ...]:
        """Return rooms of the home, in its order: at most ``top_k`` for each clause.

        Only ``oracle`` looks at the gold.
        """


@dataclass(frozen=True, slots=True)
class Lexical:
    """Rooms whose names stand in the request, or that have a device whose name does."""

    name: str = "lexical"

    def rooms(self, record: Record, home: Home, top_k: int) -> tuple[str, ...]:
        """Return the named rooms; where a clause names none, those that have its device.

        A clause that says neither, or whose device is in a room that is chosen anyway, adds
        nothing.  A request that names nothing at all gets every room: there is no hint on
        what could be left out.
        """
        clauses = split_clauses(record.input)
        chosen: dict[str, None] = {}
        nameless = []
        for clause in clauses:
            named = named_rooms(clause, home)[:top_k]
            chosen.update(dict.fromkeys(named))
            nameless += [] if named else [clause]
        for clause in nameless:
            chosen.update(dict.fromkeys(_rooms_with_device(clause, home, chosen)[:top_k]))
        return in_order(home, chosen or home.room_names)


def _rooms_with_device(clause: str, home: Home, chosen: Mapping[str, None]) -> list[str]:
    devices = named_devices(clause, home)
    having = [
        room.name for room in home.rooms if any(device.name in devices for device in room.devices)
    ]
    return [] if any(name in chosen for name in having) else having


@dataclass(frozen=True, slots=True)
class Oracle:
    """The rooms of the gold: what no retriever can beat.

    Where the gold refuses something it does not say in which room; then the rooms that the
    request names are there too, so that a model can see what is missing.
    """

    name: str = "oracle"

    def rooms(self, record: Record, home: Home, top_k: int) -> tuple[str, ...]:
        """Return the rooms of the gold; ``top_k`` does not bind it."""
        del top_k
        needed = set(needed_rooms(record, home))
        if ERROR_INPUT in record.gold:
            needed.update(named_rooms(record.input, home))
        return in_order(home, needed)


@dataclass(frozen=True, slots=True)
class Random:
    """Any rooms: what every retriever has to beat.  Equal seeds choose alike."""

    seed: int = 0
    name: str = "random"

    def rooms(self, record: Record, home: Home, top_k: int) -> tuple[str, ...]:
        """Return ``top_k`` rooms for each clause, as far as there are so many."""
        count = min(len(home.rooms), top_k * len(split_clauses(record.input)))
        rng = random.Random(f"{self.seed} {record.id}")
        return in_order(home, rng.sample(home.room_names, count))


@dataclass(frozen=True, slots=True)
class All:
    """Every room: no retrieval."""

    name: str = "all"

    def rooms(self, record: Record, home: Home, top_k: int) -> tuple[str, ...]:
        """Return the rooms of the home; nothing binds it."""
        del record, top_k
        return home.room_names


#: The retrievers that need no model: how each is made, given a seed.
WITHOUT_MODEL: Mapping[str, Callable[[int], Retriever]] = {
    "lexical": lambda seed: Lexical(),
    "oracle": lambda seed: Oracle(),
    "random": Random,
    "all": lambda seed: All(),
}


def make_retriever(name: str, seed: int = 0) -> Retriever:
    """Return a retriever by its name; raises UsageError for a name of none."""
    if name not in WITHOUT_MODEL:
        raise UsageError(
            f"there is no retriever {name!r} without a model",
            hint=f"There are {', '.join(WITHOUT_MODEL)}.",
        )
    return WITHOUT_MODEL[name](seed)


def needed_rooms(record: Record, home: Home) -> tuple[str, ...]:
    """Return the rooms that the gold's calls act in, of those that the home has."""
    return in_order(home, {operation.room for operation in record.operations})


def in_order(home: Home, names: Collection[str]) -> tuple[str, ...]:
    """Return those rooms of a home that are among ``names``, in the home's order."""
    return tuple(name for name in home.room_names if name in names)
