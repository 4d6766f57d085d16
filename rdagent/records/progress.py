"""``progress.jsonl``: how far each variant is, a line about every second.

The program inside appends, the host reads the end of it; both count answers, those
that were known before among them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.records.events import now

PROGRESS_FILE = "progress.jsonl"
_EVERY_SECONDS = 1.0


@dataclass(slots=True)
class ProgressLog:
    """Counts one variant's answers and writes lines of it."""

    folder: Path
    variant: str
    total: int
    #: Answers that were there before the work began.
    known: int = 0
    clock: Callable[[], float] = time.monotonic
    _done: int = field(default=0, init=False)
    _began: float = field(default=0.0, init=False)
    _written: float = field(default=0.0, init=False)

    def begin(self) -> None:
        """Write the first line."""
        self._began = self.clock()
        self.flush()

    def step(self) -> None:
        """Count one more answer; what is asked twice is counted once at most."""
        self._done = min(self._done + 1, self.total - self.known)
        if self.clock() - self._written >= _EVERY_SECONDS:
            self.flush()

    def end(self, total: int) -> None:
        """Write a last line: so many answers were all that it took."""
        self.total, self._done = total, max(total - self.known, 0)
        self.known = min(self.known, total)
        self.flush()

    def flush(self) -> None:
        """Write a line now."""
        self._written = self.clock()
        line = {
            "time": now(),
            "variant": self.variant,
            "done": self.known + self._done,
            "total": self.total,
            "known": self.known,
            "seconds": round(self._written - self._began, 2),
        }
        append_line(self.folder / PROGRESS_FILE, line)


def append_line(path: Path, document: dict[str, Any]) -> None:
    """Append one JSON line; a disk that is full costs the line, not the work."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return
    try:
        os.write(descriptor, (json.dumps(document, ensure_ascii=True) + "\n").encode("ascii"))
    except OSError:
        return
    finally:
        os.close(descriptor)
