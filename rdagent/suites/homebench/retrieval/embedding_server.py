"""Texts to vectors by a server with OpenAI's embedding protocol, asked by the host.

How long is waited, what is tried again and what ends it all is as for servers that chat:
``evaluation.endpoint.client``.  Here is what is sent, and what an answer has to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rdagent.errors import JobFailed, RefusedError, ResultError
from rdagent.evaluation.endpoint.address import read_key
from rdagent.evaluation.endpoint.client import (
    Body,
    ChatClient,
    Rejected,
    RequestFailed,
    Stopped,
    Trouble,
)
from rdagent.evaluation.endpoint.replies import read_error
from rdagent.files import untrusted
from rdagent.files.printable import one_line
from rdagent.suites.homebench.retrieval.embedders import ServerSource
from rdagent.suites.homebench.retrieval.vectors import Vectors

#: So many texts, and about so many characters, are sent at a time.
BATCH_TEXTS, BATCH_CHARACTERS = 64, 64_000
_EMBEDDINGS = "/embeddings"
_MOST_NUMBERS = 1 << 16


@dataclass(slots=True)
class EmbeddingClient(ChatClient):
    """Asks one model of one server for vectors."""

    @property
    def url(self) -> str:
        """Where texts go."""
        return self.endpoint.url + _EMBEDDINGS

    def vectors(self, texts: Sequence[str]) -> list[list[float]]:
        """Return what the server says of each text; raises RequestFailed, Stopped, RefusedError."""
        tried = 0
        while True:
            try:
                return self._vectors_once(texts)
            except Rejected as rejected:
                raise RequestFailed(self._clean(f"the server said {rejected}")) from None
            except Trouble as trouble:
                tried += 1
                if tried >= self.patience.tries:
                    raise RequestFailed(f"{trouble} ({tried} tries)") from None
                self._wait(tried, trouble.wait)

    def _vectors_once(self, texts: Sequence[str]) -> list[list[float]]:
        if self.stop.is_set() or self.patience.left() <= 0:
            raise Stopped
        answer = self._send("POST", self.url, {"model": self.model, "input": list(texts)})
        if answer.status != 200:
            raise self._failure(read_error(answer.status, answer.content, answer.kind), answer)
        try:
            return read_embeddings(answer.content, len(texts))
        except ResultError as error:
            raise Trouble(self._clean(f"the server sent {error.message}")) from None

    def _moved(self, answer: Body) -> RefusedError:
        place = self._clean(answer.headers.get("Location", "another address"))
        return RefusedError(
            f"{self.url} redirects to {place}, where nothing is sent",
            hint="If that is the server you mean, give its address with --endpoint.",
        )

    def _not_there(self, said: str) -> RefusedError:
        listed = self.models() or ()
        if listed and self.model not in listed:
            shown = [self._clean(name) for name in listed[:20]]
            return RefusedError(
                f"the server has no model {self.model!r}: {said}",
                hint=f"It lists {', '.join(shown)}: name one with --embedding-name.",
            )
        return RefusedError(
            f"{self.url} is not there: {said}",
            hint="--endpoint takes the server's base, which mostly ends in /v1, of a server that"
            " embeds.",
        )


def client_of(source: ServerSource) -> EmbeddingClient:
    """Return who asks a source's server; the key is read here."""
    return EmbeddingClient(source.endpoint, source.model.name, read_key(source.key_file))


def embed_by_server(texts: Sequence[str], client: EmbeddingClient) -> Vectors:
    """Return a unit vector for each text; raises JobFailed when a request gets no answer."""
    import numpy as np

    rows: list[list[float]] = []
    try:
        for batch in batches_of(texts):
            rows += client.vectors(batch)
    except (RequestFailed, Stopped) as error:
        raise JobFailed(
            f"{client.url} did not embed the texts: {error or 'it was stopped'}",
            reason="incomplete",
            exit_code=6,
            hint="The same command goes on, where --endpoint-revision lets answers be kept.",
        ) from None
    if len({len(row) for row in rows}) > 1:
        raise ResultError(f"{client.url} sent vectors of different lengths")
    matrix = np.array(rows, "<f4")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if not bool((np.isfinite(lengths) & (lengths > 0)).all()):
        raise ResultError(f"{client.url} sent vectors that are no directions")
    return Vectors({text: place for place, text in enumerate(texts)}, matrix / lengths)


def batches_of(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in their order, a few at a time."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) == BATCH_TEXTS or size + len(text) > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def read_embeddings(body: bytes, count: int) -> list[list[float]]:
    """Return the vectors of an answer in the order of the texts; ResultError for what is none."""
    document = untrusted.parse_json(body, "the answer")
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list) or len(rows) != count:
        told = one_line(str(document), 120)
        raise ResultError(f"no list of {count} vectors but {told}")
    found: dict[int, list[float]] = {}
    for place, row in enumerate(rows):
        told_place = row.get("index", place) if isinstance(row, dict) else None
        if type(told_place) is not int or told_place in found or not 0 <= told_place < count:
            raise ResultError("vectors of which it is not known whose they are")
        found[told_place] = _vector(row.get("embedding"))
    return [found[place] for place in range(count)]


def _vector(value: Any) -> list[float]:
    numbers = value if isinstance(value, list) else []
    if not 0 < len(numbers) <= _MOST_NUMBERS or not all(map(_is_finite, numbers)):
        raise ResultError("something in the place of a vector")
    return [float(number) for number in numbers]


def _is_finite(number: Any) -> bool:
    return type(number) in (int, float) and abs(number) < 1e30 and math.isfinite(number)
