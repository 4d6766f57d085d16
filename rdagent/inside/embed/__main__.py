"""Embed the texts of a request: ``python -m rdagent.inside.embed REQUEST``.

Run in a sealed job.  The vectors and what is to be said of them are written first, and
``status.json`` last; the exit code only agrees with it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rdagent.errors import RDAgentError, ResultError
from rdagent.files import atomic
from rdagent.inside.embed.batches import Encoded, batches
from rdagent.inside.embed.model import Embedder, Vectors, load
from rdagent.inside.evaluate import failures
from rdagent.records.embeddings import EMBEDDED_FILE, VECTORS_FILE, Embedded, EmbedRequest
from rdagent.records.status import InsideStatus

#: So often it is said how far it is.
_TOLD_TEXTS = 2000


def main(arguments: Sequence[str] | None = None) -> int:
    """Embed; returns 0 when every text has its vector."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    request = EmbedRequest.from_json(json.loads(Path(path).read_text("utf-8")))
    status = _guarded(request)
    status.write(Path(request.output))
    print(f"embed: {status.reason}: {status.message}", file=sys.stderr)
    return 0 if status.reason == "ok" else 1


def _guarded(request: EmbedRequest) -> InsideStatus:
    try:
        embedded = embed(request)
    except RDAgentError as error:
        return failures.describe(error)
    except Exception as error:
        return failures.describe(error)
    return InsideStatus("ok", f"{embedded.count} texts")


def embed(request: EmbedRequest) -> Embedded:
    """Write a request's vectors, in the order of its texts; raises for texts that cannot be."""
    texts = read_texts(Path(request.texts))
    embedder = load(request)
    encoded = embedder.encode(texts)
    embedder.require_room(encoded)
    vectors = _in_order(embedder, encoded, request)
    content = vectors.to_bytes()
    output = Path(request.output)
    atomic.write_bytes(output / VECTORS_FILE, content)
    found = Embedded(
        count=len(texts),
        dimension=vectors.dimension,
        cut=tuple(place for place, one in enumerate(encoded) if one.was_cut),
        longest=max(one.length for one in encoded),
        max_tokens=embedder.max_tokens,
        device=embedder.device,
        dtype=embedder.dtype,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    atomic.write_json(output / EMBEDDED_FILE, found.to_json())
    return found


def read_texts(path: Path) -> list[str]:
    """Return the texts of a file; raises ResultError for a line that is none."""
    texts = list(_texts(path))
    if not texts:
        raise ResultError(f"{path.name} holds no text")
    return texts


def _texts(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            text = json.loads(line)
            if not isinstance(text, str):
                raise ResultError(f"line {number} of {path.name} is no text")
            yield text


def _in_order(embedder: Embedder, encoded: Sequence[Encoded], request: EmbedRequest) -> Vectors:
    vectors = Vectors(len(encoded))
    done = told = 0
    for batch in batches([len(one.ids) for one in encoded], request.batch_tokens):
        vectors.put(batch, embedder.embed([encoded[place].ids for place in batch]))
        done += len(batch)
        if done >= told + _TOLD_TEXTS or done == len(encoded):
            told = done
            print(f"embed: {done} of {len(encoded)} texts", file=sys.stderr, flush=True)
    return vectors


if __name__ == "__main__":
    sys.exit(main())
