"""Every name that can be asked for, with what it asks of a model and where its data are.

Used by ``cli.tasks``; names come from the catalogue and from include folders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from rdagent.evaluation.benchmarks import all_of
from rdagent.evaluation.catalogue import Entry, Kind, built_in
from rdagent.evaluation.catalogue_include import included
from rdagent.evaluation.tasks import aliases
from rdagent.records.benchmarks import TaskNeeds

NEAR = 5
#: here; partly here; not here; no matter of ours: code or local files of the task's own.
DataState = Literal["here", "partly", "missing", "own"]


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One name."""

    name: str
    kind: Kind
    output_type: str
    #: The data set of a task; how many tasks a group or a tag holds.
    data_set: str
    data: DataState
    unsafe: bool
    tasks: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)


class TaskList:
    """What lm_eval and some include folders bring, against what lies in the benchmarks folder."""

    def __init__(self, folder: Path, include: Sequence[Path] = ()) -> None:
        self._entries: Mapping[str, Entry] = {**built_in(), **included(include).entries}
        self._folder = folder

    @cached_property
    def _here(self) -> Mapping[str, frozenset[str]]:
        return {
            data_set.source.folder: frozenset(data_set.splits)
            for _, data_set in all_of(self._folder)
        }

    def rows(self, words: Sequence[str] = ()) -> Iterator[TaskRow]:
        """Yield names that hold every word, in the name or in the data set, sorted."""
        wanted = [_plain(word) for word in words]
        for name in sorted(self._entries):
            row = self._row(self._entries[name])
            if all(word in _plain(f"{row.name} {row.data_set}") for word in wanted):
                yield row

    def near(self, words: Sequence[str]) -> list[str]:
        """Return names that are spelt nearly like what was looked for."""
        plain = {_plain(name): name for name in (*self._entries, *aliases())}
        found = get_close_matches(_plain("_".join(words)), list(plain), n=NEAR, cutoff=0.6)
        return [plain[name] for name in found]

    def also_called(self, words: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the other names in use that hold the words, and what they stand for."""
        wanted = [_plain(word) for word in words]
        return {
            name: stands_for
            for name, stands_for in aliases().items()
            if words and all(word in _plain(name) for word in wanted)
        }

    def _row(self, entry: Entry) -> TaskRow:
        if entry.kind == "task":
            needs = entry.needs
            source = needs.source.said if needs and needs.source else ""
            output = needs.output_type if needs else ""
            state = self._state(needs)
            return TaskRow(entry.name, "task", output, source, state, entry.unsafe, 1)
        leaves = [self._entries.get(name) for name in dict.fromkeys(self._leaves(entry))]
        known = [leaf for leaf in leaves if leaf is not None]
        states = {self._state(leaf.needs) for leaf in known}
        state = next(iter(states)) if len(states) == 1 else ("partly" if states else "missing")
        if state == "partly" and states <= {"here", "own"}:
            state = "here"
        return TaskRow(
            name=entry.name,
            kind=entry.kind,
            output_type="",
            data_set="",
            data=state,
            unsafe=any(leaf.unsafe for leaf in known),
            tasks=len(leaves),
        )

    def _leaves(self, entry: Entry, seen: frozenset[str] = frozenset()) -> Iterator[str]:
        for name in entry.members:
            member = self._entries.get(name)
            if member is None or member.kind == "task":
                yield name
            elif name not in seen:
                yield from self._leaves(member, seen | {name})

    def _state(self, needs: TaskNeeds | None) -> DataState:
        if needs is None or needs.source is None or not needs.source.is_remote:
            return "own"
        splits = self._here.get(needs.source.folder)
        if splits is None:
            return "missing"
        return "here" if splits >= set(needs.splits(None)) else "partly"


def _plain(text: str) -> str:
    return text.lower().replace("-", "_")
