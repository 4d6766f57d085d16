"""How good a choice of rooms is, before any model has seen it: recall, and what it costs.

A room is needed when a call of the gold acts in it.  Golds that refuse everything need none;
for those the share of rooms that the request names, and that are shown, is told instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.records import Record
from rdagent.suites.homebench.prompts import Style
from rdagent.suites.homebench.retrieval.chunks import chunks_of
from rdagent.suites.homebench.retrieval.naming import named_rooms
from rdagent.suites.homebench.retrieval.retrievers import Retriever, needed_rooms
from rdagent.suites.homebench.scoring.categories import ALL, CATEGORIES


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rooms were chosen for one record, and what that is worth."""

    id: str
    category: str
    rooms: tuple[str, ...]
    needed: int
    found: int
    #: Rooms that the request names, and how many of them are chosen.
    named: int
    named_found: int
    #: Length of the chosen rooms' texts as a share of the whole home's.
    context: float
    #: Share of that length which belongs to rooms that are not needed; None when none is.
    noise: float | None


@dataclass(frozen=True, slots=True)
class Measures:
    """What choices are worth together; shares from 0 to 1, None where nothing is counted."""

    n: int
    with_need: int
    recall: float | None
    full_recall: float | None
    named_recall: float | None
    context_share: float | None
    noise: float | None
    rooms: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the measures for a document."""
        return {
            "n": self.n,
            "with_need": self.with_need,
            "recall": self.recall,
            "full_recall": self.full_recall,
            "named_recall": self.named_recall,
            "context_share": self.context_share,
            "noise": self.noise,
            "rooms": self.rooms,
        }


def choose(
    records: Iterable[Record],
    homes: Mapping[int, Home],
    retriever: Retriever,
    top_k: int,
    style: Style = "released",
) -> list[Choice]:
    """Choose rooms for every record; KeyError for a record of an unknown home."""
    lengths = {
        number: {chunk.room: len(chunk.text) for chunk in chunks_of(home, style)}
        for number, home in homes.items()
    }
    return [
        judge(
            record,
            homes[record.home_id],
            retriever.rooms(record, homes[record.home_id], top_k),
            lengths[record.home_id],
        )
        for record in records
    ]


def judge(record: Record, home: Home, rooms: Sequence[str], lengths: Mapping[str, int]) -> Choice:
    """Hold the rooms that were chosen for a record against those that it needs."""
    needed, named = needed_rooms(record, home), named_rooms(record.input, home)
    kept = sum(lengths[room] for room in rooms)
    wasted = sum(lengths[room] for room in rooms if room not in needed)
    return Choice(
        id=record.id,
        category=record.category,
        rooms=tuple(rooms),
        needed=len(needed),
        found=len(set(needed) & set(rooms)),
        named=len(named),
        named_found=len(set(named) & set(rooms)),
        context=kept / sum(lengths.values()),
        noise=wasted / kept if needed and kept else None,
    )


def measure(choices: Sequence[Choice]) -> dict[str, Measures]:
    """Return the measures of all choices and of each category that has some."""
    found = {ALL: _together(choices)}
    for category in CATEGORIES:
        part = [choice for choice in choices if choice.category == category]
        if part:
            found[category] = _together(part)
    return found


def _together(choices: Sequence[Choice]) -> Measures:
    in_need = [choice for choice in choices if choice.needed]
    noises = [choice.noise for choice in choices if choice.noise is not None]
    return Measures(
        n=len(choices),
        with_need=len(in_need),
        recall=_share(sum(c.found for c in in_need), sum(c.needed for c in in_need)),
        full_recall=_share(sum(c.found == c.needed for c in in_need), len(in_need)),
        named_recall=_share(sum(c.named_found for c in choices), sum(c.named for c in choices)),
        context_share=_share(sum(choice.context for choice in choices), len(choices)),
        noise=_share(sum(noises), len(noises)),
        rooms=_share(sum(len(choice.rooms) for choice in choices), len(choices)),
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
