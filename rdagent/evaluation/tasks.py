"""From the names that a user asks for to the names that lm_eval is given.

Aliases and tags are resolved with a note, an unknown name is refused with near ones,
before anything starts.  Names come from the include folders first, then from
``catalogue``, which is read only when the folders do not hold every name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

from rdagent.errors import RefusedError, UnknownTaskError
from rdagent.evaluation.catalogue import Entry, built_in
from rdagent.evaluation.catalogue_include import Included, included

NEAR_NAMES = 5
SHOWN_MEMBERS = 6


@dataclass(frozen=True, slots=True)
class ResolvedTasks:
    """Names of tasks and groups, each once, and what a reader should know about them."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    #: The tasks under each name: a task's own, or those of a group.
    parts: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)


def resolve_tasks(requested: Sequence[str], include_dirs: Sequence[Path] = ()) -> ResolvedTasks:
    """Resolve names; raises UnknownTaskError or RefusedError and starts nothing.

    Refused are tasks that run code which the model writes, and a task together with
    a group that holds it.
    """
    resolver = _Resolver(included(include_dirs))
    for name in requested:
        if name.strip():
            resolver.add(name.strip())
    resolver.refuse_unsafe()
    resolver.refuse_overlap()
    return ResolvedTasks(tuple(resolver.names), tuple(resolver.notes), resolver.parts())


@cache
def aliases() -> Mapping[str, Sequence[str]]:
    """Return other names in use → lm_eval's names."""
    text = resources.files("rdagent.evaluation").joinpath("aliases.json").read_text("utf-8")
    document: dict[str, list[str]] = json.loads(text)
    return document


@dataclass(slots=True)
class _Resolver:
    folders: Included
    names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(self, name: str) -> Entry | None:
        return self.folders.entries.get(name) or built_in().get(name)

    def add(self, asked: str) -> None:
        entry = self.find(asked)
        if entry is not None:
            self._add_entry(entry)
            return
        other = self._other_names(asked)
        self.notes.append(f"{asked} was taken as {', '.join(other)}")
        for name in other:
            entry = self.find(name)
            if entry is not None:
                self._add_entry(entry)

    def _other_names(self, asked: str) -> Sequence[str]:
        """Return the names that an unknown one stands for; raises when there is none."""
        plain = _plain(asked)
        if plain in aliases():
            return aliases()[plain]
        alike = [name for name in self._all_names() if _plain(name) == plain]
        if len(alike) == 1:
            return alike
        raise UnknownTaskError(f"Task '{asked}' not found", hint=self._hint(asked))

    def _hint(self, asked: str) -> str:
        known = [*self._all_names(), *aliases()]
        near = get_close_matches(_plain(asked), known, n=NEAR_NAMES, cutoff=0.6)
        told = (
            f"Near names: {', '.join(near)}."
            if near
            else "'rdagent tasks search WORD' looks for one."
        )
        if self.folders.unreadable:
            told += f" Not readable: {'; '.join(self.folders.unreadable[:3])}."
        return told

    def _all_names(self) -> Iterator[str]:
        yield from self.folders.entries
        yield from (name for name in built_in() if name not in self.folders.entries)

    def _add_entry(self, entry: Entry) -> None:
        if entry.kind != "tag":
            self._add_name(entry.name)
            return
        shown = ", ".join(entry.members[:SHOWN_MEMBERS])
        more = len(entry.members) - SHOWN_MEMBERS
        self.notes.append(
            f"{entry.name} stands for {len(entry.members)} tasks: {shown}"
            + (f" and {more} more" if more > 0 else "")
        )
        for member in entry.members:
            self._add_name(member)

    def _add_name(self, name: str) -> None:
        if name in self.names:
            self.notes.append(f"{name} was asked for more than once; it runs once")
        else:
            self.names.append(name)

    def leaves(self, name: str, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        """Yield the tasks that a name stands for; an unknown member stands for itself."""
        entry = self.find(name)
        if entry is None or entry.kind == "task":
            yield name
        elif name not in seen:
            for member in entry.members:
                yield from self.leaves(member, seen | {name})

    def parts(self) -> dict[str, tuple[Entry, ...]]:
        """Return the tasks under each name, each once; one that is not known is left out."""
        found = {name: map(self.find, dict.fromkeys(self.leaves(name))) for name in self.names}
        return {name: tuple(e for e in entries if e) for name, entries in found.items()}

    def refuse_unsafe(self) -> None:
        for name in self.names:
            for leaf in self.leaves(name):
                entry = self.find(leaf)
                if entry is not None and entry.unsafe:
                    within = "" if leaf == name else f" (in {name})"
                    raise RefusedError(
                        f"Task '{leaf}'{within} runs code that the model writes",
                        hint="Such tasks are refused until the sandbox can score them.",
                    )

    def refuse_overlap(self) -> None:
        owner: dict[str, str] = {}
        for name in self.names:
            for leaf in dict.fromkeys(self.leaves(name)):
                other = owner.setdefault(leaf, name)
                if other != name:
                    raise RefusedError(
                        f"'{other}' and '{name}' cannot be asked for together:"
                        f" {_shared(leaf, other, name)}",
                        hint="Ask for one of the two.",
                    )


def _shared(leaf: str, first: str, second: str) -> str:
    return "one holds the other" if leaf in (first, second) else f"both run {leaf}"


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")
