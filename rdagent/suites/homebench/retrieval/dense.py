"""Rooms by the likeness of vectors: those of each home against those of each clause.

Only rooms of one home are held against one another, a dozen at a time: a product of two small
matrices is all that it takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.records import Record
from rdagent.suites.homebench.prompts import Style
from rdagent.suites.homebench.retrieval.chunks import chunks_of
from rdagent.suites.homebench.retrieval.clauses import split_clauses
from rdagent.suites.homebench.retrieval.embedders import Embedder
from rdagent.suites.homebench.retrieval.retrievers import in_order
from rdagent.suites.homebench.retrieval.vectors import Vectors

#: How a room is embedded, however a prompt shows it: half as long, so that less of it is cut
#: off by models that read a few hundred tokens, and more like what people say.
EMBEDDED_STYLE: Style = "compact"
#: What differs in later digits only depends on what a text was computed beside.
_DIGITS = 5


def passages(home: Home, embedder: Embedder) -> tuple[str, ...]:
    """Return a home's rooms, status and methods together, as they are embedded; in its order."""
    return tuple(embedder.passage.around(chunk.text) for chunk in chunks_of(home, EMBEDDED_STYLE))


def queries(record: Record, embedder: Embedder) -> tuple[str, ...]:
    """Return a request's clauses as they are embedded."""
    return tuple(embedder.query.around(clause) for clause in split_clauses(record.input))


def texts_of(records: Iterable[Record], homes: Mapping[int, Home], embedder: Embedder) -> list[str]:
    """Return what has to be embedded for some records: each text once."""
    found: dict[str, None] = {}
    seen: set[int] = set()
    for record in records:
        if record.home_id not in seen:
            seen.add(record.home_id)
            found.update(dict.fromkeys(passages(homes[record.home_id], embedder)))
        found.update(dict.fromkeys(queries(record, embedder)))
    return list(found)


@dataclass(frozen=True, slots=True)
class ByVectors:
    """A retriever for texts that have their vectors."""

    embedder: Embedder
    vectors: Vectors
    #: Home → the vectors of its rooms.
    _rooms: dict[int, Any] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def name(self) -> str:
        """``dense`` or ``llm``."""
        return self.embedder.kind

    def rooms(self, record: Record, home: Home, top_k: int) -> tuple[str, ...]:
        """Return the ``top_k`` rooms that are most like each clause; of equals the first ones."""
        if home.home_id not in self._rooms:
            texts = passages(home, self.embedder)
            self._rooms[home.home_id] = self.vectors.of(texts)
        clauses = self.vectors.of(queries(record, self.embedder))
        likeness = (clauses @ self._rooms[home.home_id].T).round(_DIGITS)
        best = (-likeness).argsort(axis=1, kind="stable")[:, :top_k]
        return in_order(home, {home.room_names[place] for row in best for place in row})
