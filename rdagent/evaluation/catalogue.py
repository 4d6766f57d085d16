"""Every task, tag and group that lm_eval brings, from a committed list.

Read by ``tasks``.  ``rdagent.inside.evaluate.list_tasks`` makes the list; nothing here
imports lm_eval, whose own index takes seconds to build.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from rdagent.records.benchmarks import DataSource, TaskNeeds

LIST_FILE = "catalogue.txt.gz"
#: After a group's name in the list: it has a score of its own.
_SCORED = "*"
_SECTION = re.compile(r"\[[a-z]+\]")

Kind = Literal["task", "tag", "group"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A name that can be asked for, and what it stands for."""

    name: str
    kind: Kind
    members: tuple[str, ...] = ()
    #: It runs code that the model writes.
    unsafe: bool = False
    #: A group that gives a score of its own.
    scored: bool = False
    #: Whether it comes with lm_eval, not from a folder of the user's.
    is_built_in: bool = False
    #: What a task needs of its data; None for a tag, a group, or a task not known here.
    needs: TaskNeeds | None = None


@cache
def built_in() -> Mapping[str, Entry]:
    """Return what lm_eval brings, by name."""
    packed = resources.files("rdagent.evaluation").joinpath(LIST_FILE).read_bytes()
    return parse(gzip.decompress(packed).decode("utf-8"))


def parse(text: str) -> Mapping[str, Entry]:
    """Parse the list's text."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if _SECTION.fullmatch(line):
            current = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            current.append(line)
    unsafe = set(sections.get("unsafe", ()))
    needs = _Needs(sections.get("data", []), sections.get("shapes", []))
    entries: dict[str, Entry] = {}
    for line in sections["tasks"]:
        name, *numbers = line.split(" ")
        entries[name] = Entry(
            name, "task", unsafe=name in unsafe, is_built_in=True, needs=needs.of(numbers)
        )
    for entry in (*_tags(sections.get("tags", ())), *_groups(sections.get("groups", ()))):
        entries[entry.name] = entry
    return entries


class _Needs:
    """What tasks need, from the list's numbers; each different need is made once."""

    def __init__(self, sources: list[str], shapes: list[str]) -> None:
        self._sources = [_source(line) for line in sources]
        self._shapes = [json.loads(line) for line in shapes]
        self._made: dict[tuple[str, ...], TaskNeeds] = {}

    def of(self, numbers: list[str]) -> TaskNeeds | None:
        if len(numbers) != 2:
            return None
        key = tuple(numbers)
        if key not in self._made:
            output_type, scored, examples, shots, roles = self._shapes[int(numbers[1])]
            source = self._sources[int(numbers[0])]
            self._made[key] = TaskNeeds(source, output_type, scored, examples, shots, roles)
        return self._made[key]


def _source(line: str) -> DataSource | None:
    told = json.loads(line)
    return None if told is None else DataSource(told[0], told[1], told[2])


def _tags(lines: list[str] | tuple[()]) -> Iterator[Entry]:
    for line in lines:
        name, *members = line.split(" ")
        yield Entry(name, "tag", tuple(members))


def _groups(lines: list[str] | tuple[()]) -> Iterator[Entry]:
    for line in lines:
        name, *members = line.split(" ")
        scored = name.endswith(_SCORED)
        yield Entry(name.removesuffix(_SCORED), "group", tuple(members), scored=scored)
