"""Follow ``trainer_log.jsonl`` while a container writes it.

The file is a stranger's: read in pieces, never more than asked for, and whatever
stands in it, the reader goes on.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import untrusted

LOG_FILE = "trainer_log.jsonl"
PIECE_BYTES = 1 << 20
LINE_BYTES = 1 << 16
STEP_LIMIT = 10**12
_DURATION = re.compile(r"(?:(\d{1,6}) days?, )?(\d{1,6}):(\d{2}):(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training is; what was not said, or is no number, is None."""

    step: int
    total_steps: int
    percent: float
    loss: float | None = None
    learning_rate: float | None = None
    epoch: float | None = None
    elapsed_seconds: float | None = None
    eta_seconds: float | None = None
    #: The last loss was written and is not a number.
    loss_is_broken: bool = False


class ProgressReader:
    """Reads on where it stopped; a line that is still being written waits for its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        #: The line at hand is longer than any that is read: skip to its end.
        self._skips = False
        self._progress: TrainingProgress | None = None

    def poll(self) -> TrainingProgress | None:
        """Return the latest progress, None before the first; never raises on what it reads.

        Reads at most one piece, so a call takes bounded time and memory.
        """
        *lines, rest = (self._rest + self._next_piece()).split(b"\n")
        if lines and self._skips:
            lines, self._skips = lines[1:], False
        for line in lines:
            if 0 < len(line) <= LINE_BYTES:
                self._progress = parse_line(line, self._progress)
        self._skips = self._skips or len(rest) > LINE_BYTES
        self._rest = b"" if self._skips else rest
        return self._progress

    def _next_piece(self) -> bytes:
        try:
            descriptor = untrusted.open_untrusted(self._path, untrusted.LINES_LIMIT)
        except ResultError:
            return b""
        try:
            if os.fstat(descriptor).st_size < self._offset:
                # Written anew: a second training began in the folder.
                self._offset, self._rest, self._skips = 0, b"", False
            piece = os.pread(descriptor, PIECE_BYTES, self._offset)
        except OSError:
            return b""
        finally:
            os.close(descriptor)
        self._offset += len(piece)
        return piece


def parse_line(line: bytes, before: TrainingProgress | None) -> TrainingProgress | None:
    """Return the progress after one line; a line that says nothing changes nothing."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return before
    if not isinstance(document, dict):
        return before
    step, total = _step(document.get("current_steps")), _step(document.get("total_steps"))
    if step is None or total is None:
        return before
    progress = replace(
        before or TrainingProgress(0, 0, 0.0),
        step=step,
        total_steps=total,
        percent=min(100.0, 100.0 * step / total) if total else 0.0,
        elapsed_seconds=_seconds(document.get("elapsed_time")),
        eta_seconds=_seconds(document.get("remaining_time")),
    )
    return _with_loss(progress, document) if "loss" in document else progress


def _with_loss(progress: TrainingProgress, document: dict[str, Any]) -> TrainingProgress:
    loss = untrusted.finite_number(document["loss"])
    return replace(
        progress,
        loss=loss,
        loss_is_broken=loss is None,
        learning_rate=untrusted.finite_number(document.get("lr")),
        epoch=untrusted.finite_number(document.get("epoch")),
    )


def _step(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= STEP_LIMIT:
        return None
    return value


def _seconds(value: Any) -> float | None:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
