"""Vectors by their texts, and where they are kept: each text is embedded once for a model.

What is kept comes in parts that never change, one for each job: the bytes of the vectors,
and a JSON document, written after them, with the digests of their texts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.core.settings import finetune_settings
from rdagent.errors import InternalError, ResultError
from rdagent.files import atomic, untrusted
from rdagent.files.digests import text_digest
from rdagent.files.logs import log
from rdagent.files.storage import storage_errors
from rdagent.jobs.runs import identity_of
from rdagent.records.fields import Fields
from rdagent.suites.homebench.retrieval.embedders import Embedder

SCHEMA = "rdagent.homebench.vectors/1"
#: More than any set of homes has, in bytes.
VECTORS_LIMIT = 16 << 30
_NUMBER_BYTES = 4
_LEAST_LENGTH, _MOST_LENGTH = 0.99, 1.01


@dataclass(frozen=True, slots=True)
class Vectors:
    """A unit vector for each of some texts."""

    #: Text → row of ``matrix``, which is float32.
    places: Mapping[str, int]
    matrix: Any
    #: Texts that were too long and lost their end.
    cut: frozenset[str] = frozenset()

    def of(self, texts: Sequence[str]) -> Any:
        """Return the rows of texts, in their order."""
        return self.matrix[[self.places[text] for text in texts]]

    def lacking(self, texts: Iterable[str]) -> list[str]:
        """Return those texts that have no vector here, each once."""
        return [text for text in dict.fromkeys(texts) if text not in self.places]


def no_vectors() -> Vectors:
    """Return what nothing has come to yet."""
    return Vectors({}, None)


def joined(*all_of_them: Vectors) -> Vectors:
    """Return the vectors of several; raises ResultError when they are not of one length."""
    import numpy as np

    parts = [part for part in all_of_them if part.places]
    if len(parts) < 2:
        return parts[0] if parts else no_vectors()
    if len({part.matrix.shape[1] for part in parts}) > 1:
        raise ResultError("vectors of one model differ in length")
    places: dict[str, int] = {}
    begin = 0
    for part in parts:
        places.update({text: begin + place for text, place in part.places.items()})
        begin += len(part.matrix)
    cut = frozenset[str]().union(*(part.cut for part in parts))
    return Vectors(places, np.concatenate([part.matrix for part in parts]), cut)


def read_matrix(content: bytes, count: int, dimension: int) -> Any:
    """Return bytes as unit vectors; raises ResultError when they are none."""
    import numpy as np

    if len(content) != count * dimension * _NUMBER_BYTES:
        raise ResultError(f"{len(content)} bytes are not {count} vectors of {dimension} numbers")
    matrix = np.frombuffer(content, "<f4").reshape(count, dimension)
    lengths = np.linalg.norm(matrix, axis=1)
    # NaN and infinities are neither above nor below.
    if not bool(((lengths > _LEAST_LENGTH) & (lengths < _MOST_LENGTH)).all()):
        raise ResultError("some vectors are no unit vectors")
    return matrix


@dataclass(frozen=True, slots=True)
class VectorStore:
    """The vectors of one embedder that are on disk."""

    folder: Path

    def read(self, texts: Collection[str]) -> Vectors:
        """Return the vectors of those texts that are here; what is damaged is not here."""
        wanted = {text_digest(text): text for text in texts}
        found = no_vectors()
        for path in sorted(self.folder.glob("*.json")):
            try:
                part = _read_part(path, wanted)
                found = joined(found, part) if part else found
            except ResultError as error:
                log().warning("kept vectors are not used: {}", error.message)
                continue
            wanted = {name: text for name, text in wanted.items() if text not in found.places}
            if not wanted:
                break
        return found

    def add(self, vectors: Vectors) -> None:
        """Keep vectors."""
        texts = sorted(vectors.places, key=lambda text: vectors.places[text])
        if len(texts) != len(vectors.matrix):
            raise InternalError("vectors without texts cannot be kept")
        names = [text_digest(text) for text in texts]
        content = vectors.matrix.astype("<f4").tobytes()
        name = text_digest(*names)[:16]
        with storage_errors(self.folder):
            atomic.write_bytes(self.folder / f"{name}.f32", content)
            atomic.write_json(
                self.folder / f"{name}.json",
                {
                    "schema": SCHEMA,
                    "dimension": int(vectors.matrix.shape[1]),
                    "texts": names,
                    "cut": [place for place, text in enumerate(texts) if text in vectors.cut],
                },
            )


def store_of(embedder: Embedder) -> VectorStore:
    """Return where an embedder's vectors are kept."""
    root = finetune_settings().file_path / "suites" / "homebench_embeddings"
    return VectorStore(root / f"{embedder.name}-{identity_of(embedder.identity())[:16]}")


def _read_part(path: Path, wanted: Mapping[str, str]) -> Vectors | None:
    """Return what one part has of ``wanted``; None when that is nothing."""
    fields = Fields(untrusted.read_json(path), path.name, SCHEMA)
    names = fields.texts("texts")
    rows = [(row, wanted[name]) for row, name in enumerate(names) if name in wanted]
    if not rows:
        return None
    content = untrusted.read_bytes(path.with_suffix(".f32"), VECTORS_LIMIT)
    matrix = read_matrix(content, len(names), fields.integer("dimension"))
    cut = {row for row in fields.items("cut") if isinstance(row, int)}
    return Vectors(
        places={text: place for place, (_, text) in enumerate(rows)},
        matrix=matrix[[row for row, _ in rows]],
        cut=frozenset(text for row, text in rows if row in cut),
    )
