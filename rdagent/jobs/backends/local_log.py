"""Read what a local job has said, while its launcher still writes it.

Pieces come with the time at which they were said, in files of which the oldest are
dropped; at most one piece is in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from rdagent.jobs.backends.local_launcher import FRAME, segment, segment_numbers

_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes, and when they were said."""

    said: float
    content: bytes


def follow(folder: Path, since: float, is_over: Callable[[], bool]) -> Iterator[bytes]:
    """Yield what was said from ``since`` on, until the job is over and all is read."""
    number = next(iter(segment_numbers(folder)), 0)
    while True:
        try:
            stream = segment(folder, number).open("rb")
        except FileNotFoundError:
            later = [n for n in segment_numbers(folder) if n > number]
            if later:
                number = later[0]
                continue
            if is_over():
                return
            time.sleep(_PAUSE_SECONDS)
            continue
        with stream:
            for piece in _pieces(stream, partial(_is_last, folder, number), is_over):
                if piece.said >= since:
                    yield piece.content
        if _is_last(folder, number):
            return
        number += 1


def _is_last(folder: Path, number: int) -> bool:
    return not any(n > number for n in segment_numbers(folder))


def _pieces(
    stream: IO[bytes], is_last: Callable[[], bool], is_over: Callable[[], bool]
) -> Iterator[Piece]:
    """Yield the pieces of one file; waits at its end while it may still grow."""
    while True:
        over, last = is_over(), is_last()  # asked first: what is written later is read below
        place = stream.tell()
        piece = _piece(stream)
        if piece:
            yield piece
        elif over or not last:
            return
        else:
            stream.seek(place)
            time.sleep(_PAUSE_SECONDS)


def _piece(stream: IO[bytes]) -> Piece | None:
    header = stream.read(FRAME.size)
    if len(header) < FRAME.size:
        return None
    said, size = FRAME.unpack(header)
    content = stream.read(size)
    return Piece(said, content) if len(content) == size else None
