"""Every task, tag and group that lm_eval brings, from a committed list.

Read by ``tasks``.  ``rdagent.inside.evaluate.list_tasks`` makes the list; nothing here
imports lm_eval, whose own index takes seconds to build.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

LIST_FILE = "catalogue.txt.gz"
#: After a group's name in the list: it has a score of its own.
_SCORED = "*"

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
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            current.append(line)
    unsafe = set(sections.get("unsafe", ()))
    entries = {name: Entry(name, "task", unsafe=name in unsafe) for name in sections["tasks"]}
    for entry in (*_tags(sections.get("tags", ())), *_groups(sections.get("groups", ()))):
        entries[entry.name] = entry
    return entries


def _tags(lines: list[str] | tuple[()]) -> Iterator[Entry]:
    for line in lines:
        name, *members = line.split(" ")
        yield Entry(name, "tag", tuple(members))


def _groups(lines: list[str] | tuple[()]) -> Iterator[Entry]:
    for line in lines:
        name, *members = line.split(" ")
        scored = name.endswith(_SCORED)
        yield Entry(name.removesuffix(_SCORED), "group", tuple(members), scored=scored)
