"""Where one model's results are, and what to call it: short, and apart from the others.

``operands`` finds sources, ``read`` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rdagent.comparison.sides import SideKind
from rdagent.files.printable import one_line

_NAME_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Source:
    """Where one model's results are."""

    kind: SideKind
    #: Short, and unique among the sources of one comparison.
    name: str
    results: Path
    #: None where there are scores and nothing else.
    samples_folder: Path | None
    #: The id of the run that it is of.
    run: str | None
    #: What was taken, in words.
    said: str


def short(name: str) -> str:
    """Return a name that fits a column; of a sanitized path its last part."""
    last = name.rstrip("/").rpartition("/")[2].rpartition("__")[2] or name
    return one_line(last, _NAME_LENGTH) or "model"


def named_apart(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Return the sources with names that are unique: by their runs, their folders, a number."""
    found = list(sources)
    for tell_apart in (_run_of, _folder_of, _folder_above):
        names = [source.name for source in found]
        for name in {name for name in names if names.count(name) > 1}:
            alike = [place for place, source in enumerate(found) if source.name == name]
            marks = [tell_apart(found[place]) for place in alike]
            for place, mark in zip(alike, marks, strict=True):
                if len(set(marks)) > 1 and mark:
                    found[place] = replace(found[place], name=f"{name} ({mark})")
    seen: dict[str, int] = {}
    for place, source in enumerate(found):
        seen[source.name] = number = seen.get(source.name, 0) + 1
        if number > 1:
            found[place] = replace(source, name=f"{source.name} #{number}")
    return tuple(found)


def _run_of(source: Source) -> str:
    return source.run.rpartition("-")[2][:8] if source.run else ""


def _folder_of(source: Source) -> str:
    return "" if source.run else short(source.results.parent.name)


def _folder_above(source: Source) -> str:
    return "" if source.run else short(source.results.parent.parent.name)
