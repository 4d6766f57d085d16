"""How often a base was compared on a benchmark in one run root: who looks often finds something.

Each comparison appends one line to ``looks.jsonl``.  The count is a note for the reader;
that it cannot be written ends no comparison.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.comparison.arguments import arguments_of
from rdagent.comparison.report import Looks
from rdagent.comparison.sides import Side
from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.files.locks import file_lock
from rdagent.files.logs import log
from rdagent.records.events import now
from rdagent.records.keys import digest_of

LOOKS_FILE = "looks.jsonl"
SCHEMA = "rdagent.look/1"
_LIMIT = 256 * untrusted.MEBIBYTE
_MODEL_ARGUMENTS = (
    "pretrained", "model", "path", "revision", "subfolder", "peft", "lora_local_path", "delta",
    "base_url",
)  # fmt: skip
_DIGITS = 16


@dataclass(frozen=True, slots=True)
class _Look:
    """One comparison: who with whom, on which documents."""

    base: str
    candidates: tuple[str, ...]
    #: Task → digest of its documents.
    tasks: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the line's document."""
        return {
            "schema": SCHEMA,
            "time": now(),
            "base": self.base,
            "candidates": list(self.candidates),
            "tasks": dict(self.tasks),
        }

    def is_of(self, line: Mapping[str, Any]) -> bool:
        """Tell whether a line is of the same base and shares some task's documents."""
        tasks = line.get("tasks")
        if line.get("base") != self.base or not isinstance(tasks, dict):
            return False
        return any(tasks.get(task) == digest for task, digest in self.tasks.items())


def note_look(root: Path, base: Side, candidates: Sequence[Side], tasks: Sequence[str]) -> Looks:
    """Note a comparison in ``root`` and return how many there were, this one included.

    The very same comparison again is another look and no other candidate.  A file that
    cannot be written is said in the log; what was read of it is counted all the same.
    """
    look = _Look(
        identity_of(base),
        tuple(dict.fromkeys(identity_of(side) for side in candidates)),
        {task: documents_digest(base, task) for task in tasks},
    )
    try:
        with file_lock(root / ".locks" / "looks.lock"):
            found = _count(root / LOOKS_FILE, look)
            _append(root / LOOKS_FILE, look)
    except OSError as error:
        log().warning("this look is not noted in {}: {}", root / LOOKS_FILE, error.strerror)
        return _count(root / LOOKS_FILE, look)
    return found


def identity_of(side: Side) -> str:
    """Return what stays the same when the same model is evaluated in another way.

    Digests of its files where a run of ours tells them, else the names that lm_eval wrote.
    """
    known = side.info.facts.get("identity")
    if known:
        return known[:_DIGITS]
    arguments = arguments_of(side.document)
    told = {name: str(arguments[name]) for name in _MODEL_ARGUMENTS if arguments.get(name)}
    config = side.document.get("config")
    sha = config.get("model_sha") if isinstance(config, dict) else None
    if not told:
        told = {"model": side.results.model or str(side.document.get("model") or "")}
    if not any(told.values()):
        return results_digest(side)[:_DIGITS]
    return digest_of({**told, "sha": str(sha or "")})[:_DIGITS]


def results_digest(side: Side) -> str:
    """Return the digest of everything that was read of a side."""
    return digest_of(dict(side.info.files))


def documents_digest(side: Side, task: str) -> str:
    """Return the digest of which documents a task's items are, in any order."""
    kept = next(iter(side.items.get(task, {}).values()), None)
    digest = hashlib.sha256()
    for item in sorted(item.doc_hash or f"id:{item.doc_id}" for item in kept.items) if kept else ():
        digest.update(f"{item}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:_DIGITS]


def _count(path: Path, look: _Look) -> Looks:
    """Return the looks with this one, and how many other candidates there were before."""
    before = [line for line in _read(path) if look.is_of(line)]
    others = {
        name
        for line in before
        for name in (line["candidates"] if isinstance(line.get("candidates"), list) else ())
        if isinstance(name, str) and name not in look.candidates
    }
    return Looks(len(before) + 1, len(others))


def _read(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines; one that was cut off, or is none of ours, is passed over."""
    try:
        content = untrusted.read_bytes(path, _LIMIT)
    except ResultError:
        return
    for raw in content.split(b"\n"):
        try:
            line = untrusted.parse_json(raw, path.name) if raw.strip() else None
        except ResultError:
            continue
        if isinstance(line, dict) and line.get("schema") == SCHEMA:
            yield line


def _append(path: Path, look: _Look) -> None:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        text = ("\n" if torn else "") + json.dumps(look.to_json(), ensure_ascii=True) + "\n"
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)
