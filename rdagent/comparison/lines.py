"""A samples file line by line: what is damaged is named and passed over, the rest is read.

Unlike ``files.untrusted`` this does not stop at the first bad line: a file that was cut
off still holds items.  Used by ``items``, ``texts`` and ``doc_hashes``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rdagent.errors import ResultError
from rdagent.files import untrusted

#: A longer line is no sample.
LINE_LIMIT = 32 * untrusted.MEBIBYTE
_CHUNK = untrusted.MEBIBYTE
#: Made once: ``json.loads`` makes a decoder for each call that has options.
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a row, or what is wrong with it."""

    number: int
    #: Where the line begins, in bytes.
    offset: int
    row: Mapping[str, Any] | None
    problem: str = ""


class SampleLines:
    """Yields the lines of a file that hold something; raises ResultError when it cannot be opened.

    After the last line ``sha256`` is the digest of the whole file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of what was read so far."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[Line]:
        self._digest = hashlib.sha256()
        with open_lines(self._path) as stream:
            offset = number = 0
            while raw := stream.readline(LINE_LIMIT + 1):
                number += 1
                self._digest.update(raw)
                length = len(raw)
                if length > LINE_LIMIT:
                    length += self._skip(stream, raw)
                    yield Line(number, offset, None, f"is over {LINE_LIMIT} bytes long")
                elif raw.strip():
                    yield _line(number, offset, raw)
                offset += length

    def _skip(self, stream: IO[bytes], last: bytes) -> int:
        """Read on to the end of the line; returns how many bytes that were."""
        skipped = 0
        while not last.endswith(b"\n") and (last := stream.readline(_CHUNK)):
            self._digest.update(last)
            skipped += len(last)
        return skipped


@contextmanager
def open_lines(path: Path) -> Iterator[IO[bytes]]:
    """Open a samples file as what a stranger sent: no link is followed, its size is capped."""
    with os.fdopen(untrusted.open_untrusted(path, untrusted.LINES_LIMIT), "rb") as stream:
        yield stream


def row_at(stream: IO[bytes], offset: int) -> Mapping[str, Any] | None:
    """Return the row that begins at ``offset``; None when there is none any more."""
    stream.seek(offset)
    raw = stream.readline(LINE_LIMIT + 1)
    return _line(0, offset, raw).row if 0 < len(raw) <= LINE_LIMIT else None


def parse_lenient(content: bytes, name: str) -> Any:
    """Parse JSON as lm_eval writes it: NaN and infinities, which JSON has not, become None."""
    try:
        return json.loads(content, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{name} is not valid JSON") from error


def _line(number: int, offset: int, raw: bytes) -> Line:
    try:
        row = _DECODER.decode(raw.decode("utf-8", "surrogatepass").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        cut = "" if raw.endswith(b"\n") else ", cut off before its end"
        return Line(number, offset, None, f"is not valid JSON{cut}")
    if not isinstance(row, dict):
        return Line(number, offset, None, "is not a JSON object")
    return Line(number, offset, row)
