"""How far an evaluation is: which model, how many answers of how many, how fast, how long yet.

Read from the end of ``out/progress.jsonl``, which the job appends to: a stranger's lines,
of which only the numbers are told.  Used by ``run``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.files.printable import one_line
from rdagent.records.progress import PROGRESS_FILE

_TAIL = 8 * 1024
_LIMIT = 256 * untrusted.MEBIBYTE
_NAME = 40


@dataclass(frozen=True, slots=True)
class EvaluationProgress:
    """How far one variant is."""

    variant: str
    done: int
    total: int
    #: Answers a second since this attempt began; None while there is none.
    rate: float | None

    @property
    def eta_seconds(self) -> float | None:
        """How long it takes yet at this rate."""
        return None if not self.rate else (self.total - self.done) / self.rate

    def line(self) -> str:
        """Return it in words, on one short line."""
        text = f"{self.variant}: {self.done} of {self.total} answers"
        eta = self.eta_seconds
        if self.rate is None or eta is None or self.done >= self.total:
            return text
        return f"{text}, {self.rate:.1f}/s, {duration(eta)} left"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        eta = self.eta_seconds
        return {
            "event": "progress",
            "variant": self.variant,
            "done": self.done,
            "total": self.total,
            "rate": None if self.rate is None else round(self.rate, 3),
            "eta_seconds": None if eta is None else round(eta, 1),
        }


def duration(seconds: float) -> str:
    """Return a time span as people say it."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"


def read_progress(out: Path) -> EvaluationProgress | None:
    """Return what the last whole line says; None when there is none, or it says nothing sound."""
    try:
        descriptor = untrusted.open_untrusted(out / PROGRESS_FILE, _LIMIT)
    except ResultError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - _TAIL))
        lines = stream.read(_TAIL).split(b"\n")[:-1]
    return _parse(lines[-1]) if lines else None


def _parse(line: bytes) -> EvaluationProgress | None:
    try:
        said = untrusted.parse_json(line, PROGRESS_FILE)
    except ResultError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("variant"), str):
        return None
    done, total, known, seconds = (
        untrusted.finite_number(said.get(name)) for name in ("done", "total", "known", "seconds")
    )
    if done is None or total is None or not 0 <= done <= total:
        return None
    rate = None
    if known is not None and seconds is not None and seconds > 0 and done > known >= 0:
        rate = (done - known) / seconds
    return EvaluationProgress(one_line(said["variant"], _NAME), int(done), int(total), rate)


def watcher(
    say: Callable[[str], None], observe: Callable[[EvaluationProgress], None]
) -> Callable[[Path], None]:
    """Return what looks at an attempt while it runs and tells what is new."""
    tell = teller(say, observe)
    return lambda attempt: tell(attempt / "out")


def teller(
    say: Callable[[str], None], observe: Callable[[EvaluationProgress], None]
) -> Callable[[Path], None]:
    """Return what looks into a folder for lines of progress and tells what is new."""
    last: EvaluationProgress | None = None

    def look(folder: Path) -> None:
        nonlocal last
        found = read_progress(folder)
        if found is not None and found != last:
            last = found
            say(found.line())
            observe(found)

    return look
