"""Some documents of some tasks, by name: the file that ``--subset`` takes.

A document is named by the hash that lm_eval writes into samples, so a subset holds on
any machine with the same data.  The host reads and writes it, the image reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import atomic, untrusted
from rdagent.files.printable import printable
from rdagent.records.fields import Fields
from rdagent.records.keys import digest_of

SUBSET_SCHEMA = "rdagent.subset/1"
SUBSET_FILE = "subset.json"
NAME_LIMIT = 200
TASKS_LIMIT = 20_000
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Subset:
    """Task → the hashes of its documents, sorted, each once, and at least one."""

    name: str
    tasks: Mapping[str, tuple[str, ...]]

    @property
    def digest(self) -> str:
        """The digest of which documents they are; the name is no part of it."""
        return digest_of({task: list(hashes) for task, hashes in self.tasks.items()})

    @property
    def file_name(self) -> str:
        """The name of its file in a job: a request that names the file says which one it is."""
        return f"subset-{self.digest[:16]}.json"

    @property
    def said(self) -> str:
        """The subset on one line, as notes and reports say it."""
        count = sum(map(len, self.tasks.values()))
        return f"subset {self.name} ({self.digest[:8]}): {count} documents of {_tasks(self.tasks)}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "schema": SUBSET_SCHEMA,
            "name": self.name,
            "tasks": {task: list(hashes) for task, hashes in self.tasks.items()},
            "digest": self.digest,
        }

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        atomic.write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Subset:
        """Read a file; raises ResultError when it is none, or its digest is another one."""
        return cls.from_json(untrusted.read_json(path), path.name)

    @classmethod
    def from_json(cls, document: Any, name: str = SUBSET_FILE) -> Subset:
        """Read the JSON document; raises ResultError as ``read`` does."""
        fields = Fields(document, name, SUBSET_SCHEMA)
        subset = make_subset(fields.text("name"), fields.mapping("tasks"), name)
        told = fields.text("digest", "")
        if told != subset.digest:
            raise ResultError(
                f"{name}: its digest is {told[:12] or 'missing'}, its documents are others",
                hint=f"if they are those that are meant, its digest is {subset.digest}",
            )
        return subset


def make_subset(name: str, tasks: Mapping[str, Any], origin: str = SUBSET_FILE) -> Subset:
    """Return a subset of checked parts; raises ResultError that names ``origin``."""
    if not 0 < len(name.strip()) <= NAME_LIMIT or printable(name) != name or "\n" in name:
        raise ResultError(f"{origin}: its name is empty, too long or not printable")
    if not 0 < len(tasks) <= TASKS_LIMIT:
        raise ResultError(f"{origin}: it names {len(tasks)} tasks; 1 to {TASKS_LIMIT} can be")
    return Subset(name, {task: _hashes(task, tasks[task], origin) for task in sorted(tasks)})


def _hashes(task: str, value: Any, origin: str) -> tuple[str, ...]:
    hashes = list(value) if isinstance(value, list | tuple) else []
    if not hashes:
        # lm_eval takes an empty list for all documents: what is meant by one stays open.
        raise ResultError(f"{origin}: {printable(task)} has no documents")
    for item in hashes:
        if not isinstance(item, str) or not _HASH.fullmatch(item):
            raise ResultError(
                f"{origin}: {printable(task)} names a document {printable(str(item)[:80])!r}",
                hint="a document is named by its doc_hash in a run's samples: 64 hex digits",
            )
    return tuple(sorted(set(hashes)))


def _tasks(tasks: Mapping[str, Any]) -> str:
    return "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
