"""A file with the rooms that were chosen for each record, and of what they were chosen.

It is used again only for exactly what it was made of: data, model, retriever and rules.  A
file that is not of this kind is another program's, and is never replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import DiskFull, RefusedError, ResultError
from rdagent.files import atomic, untrusted
from rdagent.files.digests import file_digest, text_digest
from rdagent.files.printable import one_line
from rdagent.files.storage import is_full
from rdagent.records.fields import Fields
from rdagent.suites.homebench import prompts
from rdagent.suites.homebench.asking import Asked, Asking
from rdagent.suites.homebench.data import words
from rdagent.suites.homebench.data.files import HOMES_FILE, split_files
from rdagent.suites.homebench.retrieval import chunks, clauses, dense, naming, retrievers
from rdagent.suites.homebench.retrieval.embedders import Embedder

SCHEMA = "rdagent.homebench.retrieval/1"
#: What decides which rooms are chosen: a change in any of these is another rule.
_RULES = (chunks, clauses, dense, naming, prompts, retrievers, words)

_ELSEWHERE = "'homebench rag --out FILE', 'homebench run --retrieval-file FILE'."

Stamp = Mapping[str, Any]
Rooms = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RetrievalFile:
    """What such a file holds."""

    stamp: Stamp
    rooms: Rooms

    def differs(self, wanted: Stamp) -> list[str]:
        """Return the names of what it was made of, and is not what is wanted."""
        names = dict.fromkeys((*wanted, *self.stamp))
        return [name for name in names if self.stamp.get(name) != wanted.get(name)]


def stamp_of(asking: Asking, embedder: Embedder | None) -> Stamp:
    """Return everything that decides which rooms are chosen."""
    files = (asking.data / HOMES_FILE, *split_files(asking.data, asking.split))
    return {
        "retriever": asking.retriever,
        "top_k": asking.top_k,
        "split": asking.split,
        "style": asking.style,
        "seed": asking.seed if asking.retriever == "random" else None,
        "data": text_digest(*(file_digest(path) for path in files)),
        "model": embedder.identity() if embedder else None,
        "rules": rules_digest(),
    }


def rules_digest() -> str:
    """Return the digest of the code that takes requests apart and chooses rooms."""
    return text_digest(*(file_digest(Path(str(module.__file__))) for module in _RULES))[:16]


def default_path(asking: Asking, embedder: Embedder | None) -> Path:
    """Return where rooms are kept: ``<model>_rag_test_data.json``, beside the data."""
    if embedder is None:
        name = asking.retriever
    else:
        name = embedder.name if embedder.kind == "llm" else f"{embedder.name}_{embedder.kind}"
    return asking.data / f"{name}_rag_{asking.split}_data.json"


def read_file(path: Path) -> RetrievalFile | None:
    """Return what a file holds, None when there is none.

    Raises RefusedError for a file that was not written here, ResultError for a damaged one.
    """
    if not path.exists():
        return None
    try:
        document = untrusted.read_json(path)
    except ResultError as error:
        raise _strange(path, error.message) from None
    if not isinstance(document, dict) or not str(document.get("schema")).startswith(SCHEMA[:-1]):
        raise _strange(path, "it does not say that it holds retrieved rooms")
    fields = Fields(document, path.name, SCHEMA)
    return RetrievalFile(fields.mapping("stamp"), _rooms(fields, path.name))


def _strange(path: Path, why: str) -> RefusedError:
    return RefusedError(
        f"{path} is another program's file: {one_line(why)}",
        hint=f"Move it away, or name another: {_ELSEWHERE}",
    )


def _rooms(fields: Fields, name: str) -> Rooms:
    found = fields.mapping("rooms")
    for id_, rooms in found.items():
        if not isinstance(rooms, list) or not all(isinstance(room, str) for room in rooms):
            raise ResultError(f"{name}: the rooms of {one_line(id_)} are no list of names")
    return {id_: tuple(rooms) for id_, rooms in found.items()}


def rooms_for(asked: Asked, rooms: Rooms) -> Rooms | None:
    """Return the rooms of the asked records; None when those of one are not there, or not its."""
    found = {}
    for record in asked.records:
        chosen = rooms.get(record.id)
        home = asked.homes[record.home_id]
        if chosen is None or retrievers.in_order(home, chosen) != chosen:
            return None
        found[record.id] = chosen
    return found


def write_file(path: Path, stamp: Stamp, rooms: Mapping[str, Sequence[str]]) -> None:
    """Write a file; raises RefusedError where none can be, DiskFull where there is no room."""
    document = {
        "schema": SCHEMA,
        "stamp": stamp,
        "records": len(rooms),
        "rooms": {id_: list(chosen) for id_, chosen in rooms.items()},
    }
    try:
        atomic.write_json(path, document)
    except OSError as error:
        if is_full(error):
            raise DiskFull(f"the disk is full: {path} could not be written") from error
        raise RefusedError(
            f"{path} cannot be written: {error.strerror}", hint=_ELSEWHERE
        ) from error
