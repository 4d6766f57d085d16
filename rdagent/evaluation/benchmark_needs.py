"""Whether the data of the tasks that are asked for are here, said before anything starts.

Used by ``preflight``; what tasks need comes from the catalogue and the include folders,
what is here from ``benchmarks``.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.errors import RefusedError
from rdagent.evaluation.benchmarks import damage, find
from rdagent.evaluation.catalogue import Entry
from rdagent.evaluation.tasks import ResolvedTasks
from rdagent.records.benchmarks import DataSet, DataSource, TaskNeeds

SHOWN = 3
#: Options of ``benchmarks add`` by the role that a split has in a task.
_OPTIONS = {"test": "--test", "validation": "--validation", "train": "--train"}


@dataclass(frozen=True, slots=True)
class CheckedData:
    """The data sets that an evaluation stands on."""

    folder: Path
    found: Mapping[DataSource, DataSet]
    notes: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    def changed(self) -> str | None:
        """Return which data set is no longer as it was checked, or None."""
        for source, data_set in self.found.items():
            now = find(self.folder, source)
            if now is None or now.digest != data_set.digest:
                return f"the data in {self.folder / source.folder}"
        return None

    def to_json(self) -> list[dict[str, Any]]:
        """Return what a run's manifest says of its data."""
        return [
            {
                "data_set": source.said,
                "folder": source.folder,
                "digest": data_set.digest,
                "origin": data_set.origin,
                "revision": data_set.revision or None,
                "splits": {
                    name: {"sha256": split.sha256, "rows": split.rows}
                    for name, split in data_set.splits.items()
                },
            }
            for source, data_set in self.found.items()
        ]


@dataclass(frozen=True, slots=True)
class Lack:
    """A task without data, or without one split of them."""

    task: str
    needs: TaskNeeds
    source: DataSource
    split: str = ""


def check_data(
    tasks: ResolvedTasks,
    folder: Path,
    num_fewshot: int | None,
    fewshot_by_task: Mapping[str, int] | None = None,
) -> CheckedData:
    """Find the data of every task; raises RefusedError that names all that is missing."""
    found: dict[DataSource, DataSet] = {}
    shots = _Shots(num_fewshot, fewshot_by_task or {})
    lacks = {name: list(_lacks(parts, folder, shots, found)) for name, parts in tasks.parts.items()}
    missing = {name: of_name for name, of_name in lacks.items() if of_name}
    if missing:
        raise _refusal(missing, tasks)
    for source, data_set in found.items():
        if wrong := damage(folder / source.folder, data_set):
            raise RefusedError(
                f"the data in {folder / source.folder} are damaged: {wrong}",
                hint="Add or fetch them again with --replace.",
            )
    digests = {
        source.folder: data_set.digest for source, data_set in sorted(found.items(), key=_by_folder)
    }
    return CheckedData(folder, found, tuple(_notes(tasks)), digests)


def _by_folder(item: tuple[DataSource, DataSet]) -> str:
    return item[0].folder


@dataclass(frozen=True, slots=True)
class _Shots:
    """How many examples are asked for; None: what the task says."""

    every: int | None
    by_task: Mapping[str, int]

    def of(self, task: str) -> int | None:
        return self.by_task.get(task, self.every)


def _lacks(
    parts: Sequence[Entry], folder: Path, shots: _Shots, found: dict[DataSource, DataSet]
) -> Iterator[Lack]:
    for entry in parts:
        needs = entry.needs
        if needs is None or needs.source is None or not needs.source.is_remote:
            continue
        source = needs.source
        data_set = found.get(source) or find(folder, source)
        if data_set is None:
            yield Lack(entry.name, needs, source)
            continue
        found[source] = data_set
        for split in needs.splits(shots.of(entry.name)):
            if split not in data_set.splits:
                yield Lack(entry.name, needs, source, split)


def _notes(tasks: ResolvedTasks) -> Iterator[str]:
    for parts in tasks.parts.values():
        for entry in parts:
            if entry.is_built_in and entry.needs is not None and entry.needs.source is None:
                yield f"{entry.name} gets its data by code of its own; jobs have no network"


def _refusal(missing: Mapping[str, Sequence[Lack]], tasks: ResolvedTasks) -> RefusedError:
    told = [_said(name, lacks, len(tasks.parts[name])) for name, lacks in missing.items()]
    names = " ".join(
        shlex.quote(name) for name, lacks in missing.items() if not _only_splits(lacks)
    )
    hints = [f"Get them, with a network: rdagent benchmarks fetch {names}"] if names else []
    hints += list(dict.fromkeys(_how_to_add(lacks[0]) for lacks in missing.values()))[:SHOWN]
    hints[0] = hints[0].removeprefix("or ").capitalize() if not names else hints[0]
    if any(
        lack.split and lack.split == lack.needs.examples for of in missing.values() for lack in of
    ):
        hints.append("or ask for no examples: --num-fewshot 0")
    return RefusedError("; ".join(told), hint="\n".join(hints))


def _only_splits(lacks: Sequence[Lack]) -> bool:
    return all(lack.split for lack in lacks)


def _said(name: str, lacks: Sequence[Lack], parts: int) -> str:
    if _only_splits(lacks) and parts == 1:
        lack = lacks[0]
        use = f", from which it draws {lack.needs.shots} examples" if lack.needs.shots else ""
        which = ", ".join(repr(lack.split) for lack in lacks)
        return f"the data of {name} have no split {which}{use if len(lacks) == 1 else ''}"
    sources = list(dict.fromkeys(lack.source.path for lack in lacks))
    if parts == 1:
        return f"the data of {name} are not on this machine: {lacks[0].source.said}"
    tasks = list(dict.fromkeys(lack.task for lack in lacks))
    if len(tasks) == parts:
        return f"the data of {name} ({parts} tasks) are not on this machine: {_some(sources)}"
    what = f"the data of {len(tasks)} of the {parts} tasks of {name} are not on this machine"
    return f"{what}: {_some(tasks)}, from {_some(sources)}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _how_to_add(lack: Lack) -> str:
    splits = [lack.split] if lack.split else lack.needs.splits(None)
    options = " ".join(f"{option_of(lack.needs, split)} FILE" for split in splits)
    return f"or from files: rdagent benchmarks add {shlex.quote(lack.task)} {options}"


def option_of(needs: TaskNeeds, split: str) -> str:
    """Return the option of ``benchmarks add`` that gives a split."""
    for role, option in _OPTIONS.items():
        if needs.roles.get(role, role) == split:
            return option
    return f"--split {split}="
