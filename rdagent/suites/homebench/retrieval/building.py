"""Rooms for the asked records: taken from a file that fits, else chosen now and written there.

What is missing is made on the way: texts without a vector are embedded first, in one job or
by a server.  Used by ``homebench rag`` and by ``homebench run``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rdagent.errors import InternalError, RefusedError, ResultError, UsageError
from rdagent.evaluation.endpoint.preflight import unencrypted
from rdagent.files.logs import log
from rdagent.jobs.backends.base import Backend, isolation_note
from rdagent.suites.homebench.asking import Asked, Asking
from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.records import Record
from rdagent.suites.homebench.retrieval.dense import ByVectors, texts_of
from rdagent.suites.homebench.retrieval.embedders import Embedder, LocalSource
from rdagent.suites.homebench.retrieval.embedding_job import JobSettings, Say, embed_in_job
from rdagent.suites.homebench.retrieval.embedding_server import client_of, embed_by_server
from rdagent.suites.homebench.retrieval.measures import Choice, choose
from rdagent.suites.homebench.retrieval.retrieval_file import (
    Rooms,
    Stamp,
    read_file,
    rooms_for,
    stamp_of,
    write_file,
)
from rdagent.suites.homebench.retrieval.retrievers import Retriever, make_retriever
from rdagent.suites.homebench.retrieval.vectors import Vectors, joined, no_vectors, store_of

_ONCE = (
    "nobody says which model the server has now, so its vectors serve this once:"
    " --endpoint-revision lets them be kept"
)
#: What a server answered is kept after each so many texts.
_SERVED_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class Means:
    """How what is missing is made."""

    #: Called when a job has to run, and not before.
    backend: Callable[[], Backend]
    timeout_seconds: float = 36000
    say: Say = lambda line: None


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The rooms of every asked record."""

    choices: tuple[Choice, ...]
    #: Where they are written; None: nowhere.
    path: Path | None
    #: They were there already.
    reused: bool
    notes: tuple[str, ...] = ()

    @property
    def rooms(self) -> Rooms:
        """Record → rooms."""
        return {choice.id: choice.rooms for choice in self.choices}


@dataclass(frozen=True, slots=True)
class _Kept:
    """A retriever that says what is known already."""

    name: str
    known: Rooms

    def rooms(self, record: Record, home: Home, top_k: int) -> tuple[str, ...]:
        """Return the rooms that were chosen before."""
        del home, top_k
        return self.known[record.id]


def retrieve(
    asked: Asked,
    asking: Asking,
    embedder: Embedder | None,
    path: Path,
    means: Means,
    *,
    fresh: bool = False,
    must_write: bool = True,
) -> Retrieval:
    """Return the rooms of the asked records, and leave them in the file.

    ``embedder`` is for the retrievers that need one.  Raises RefusedError where the file is
    another program's, or, unless ``must_write`` is off, cannot be written; JobFailed when texts
    could not be embedded.
    """
    if asking.top_k < 1:
        raise UsageError(f"--top-k {asking.top_k}: a number from 1 is expected")
    stamp = stamp_of(asking, embedder)
    may_be_used = not fresh and (embedder is None or embedder.is_known)
    known, notes = _known(path, stamp) if may_be_used else _looked_at(path)
    found = rooms_for(asked, known)
    if found is not None:
        kept = _Kept(asking.retriever, found)
        return Retrieval(tuple(_choices(asked, asking, kept)), path, reused=True)
    retriever, told = _retriever(asked, asking, embedder, means, fresh=fresh)
    choices = tuple(_choices(asked, asking, retriever))
    rooms = {**known, **{choice.id: choice.rooms for choice in choices}}
    try:
        write_file(path, stamp, rooms)
    except RefusedError as error:
        if must_write:
            raise
        return Retrieval(choices, None, reused=False, notes=(*notes, *told, error.message))
    return Retrieval(choices, path, reused=False, notes=(*notes, *told))


def _choices(asked: Asked, asking: Asking, retriever: Retriever) -> list[Choice]:
    homes = {record.home_id: asked.homes[record.home_id] for record in asked.records}
    return choose(asked.records, homes, retriever, asking.top_k, asking.style)


def _known(path: Path, stamp: Stamp) -> tuple[Rooms, tuple[str, ...]]:
    """Return the rooms of a file that was made of the same, and else why it is not used."""
    try:
        found = read_file(path)
    except ResultError as error:
        return {}, (f"{path.name} cannot be used ({error.message}): built again",)
    if found is None:
        return {}, ()
    if differs := found.differs(stamp):
        return {}, (f"{path.name} was made with another {', another '.join(differs)}: built again",)
    return found.rooms, ()


def _looked_at(path: Path) -> tuple[Rooms, tuple[str, ...]]:
    """Make sure that a file may be replaced; nothing of it is used."""
    try:
        found = read_file(path)
    except ResultError:
        return {}, ()
    return {}, (f"{path.name} is there and is not used: built again",) if found else ()


def _retriever(
    asked: Asked, asking: Asking, embedder: Embedder | None, means: Means, *, fresh: bool
) -> tuple[Retriever, tuple[str, ...]]:
    if embedder is None:
        return make_retriever(asking.retriever, asking.seed), ()
    if embedder.kind != asking.retriever:
        raise InternalError(f"an embedder for {embedder.kind} cannot be used as {asking.retriever}")
    texts = texts_of(asked.records, asked.homes, embedder)
    vectors, notes = _vectors(texts, embedder, means, fresh=fresh)
    cut = sum(text in vectors.cut for text in texts)
    if cut:
        notes = (*notes, f"{cut} of {len(texts)} texts were too long for the model and were cut")
    return ByVectors(embedder, vectors), notes


def _vectors(
    texts: list[str], embedder: Embedder, means: Means, *, fresh: bool
) -> tuple[Vectors, tuple[str, ...]]:
    """Return a vector for each text: those that are kept, and the others, which are made now."""
    store = store_of(embedder)
    known = no_vectors() if fresh else store.read(texts)
    lacking = known.lacking(texts)
    means.say(f"{len(texts) - len(lacking)} of {len(texts)} texts have their vectors")
    if not lacking:
        return known, ()
    source = embedder.source
    if isinstance(source, LocalSource):
        backend = means.backend()
        settings = JobSettings(backend, means.timeout_seconds, means.say)
        made = embed_in_job(lacking, source, settings)
        store.add(made)
        note = isolation_note(backend)
        return joined(known, made), (f"embeddings: {note}",) if note else ()
    client = client_of(source)
    if client.key is not None and source.endpoint.is_plain:
        log().warning("{}", unencrypted(source.endpoint))
    for begin in range(0, len(lacking), _SERVED_AT_ONCE):
        made = embed_by_server(lacking[begin : begin + _SERVED_AT_ONCE], client)
        known = joined(known, made)
        means.say(f"{len(known.places)} of {len(texts)} texts have their vectors")
        if embedder.is_known:
            store.add(made)
    return known, () if embedder.is_known else (_ONCE,)
