"""What is printed, and where: documents to stdout, everything else to stderr.

On a terminal progress is drawn with rich; in a pipe it is plain lines.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rdagent.files.printable import one_line, printable
from rdagent.files.redaction import redact_text


def shown(text: str) -> str:
    """Return text as it may be shown: printable, and without secrets."""
    return redact_text(printable(text))


#: A pipe is told now and then.
_PIPE_PAUSE_SECONDS = 2.0


def print_error(message: str, hint: str = "") -> None:
    """Say what went wrong and what to do, on stderr."""
    sys.stderr.write(f"rdagent: {shown(message)}\n")
    for line in shown(hint).splitlines():
        sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


class Terminal:
    """The user's screen, or the pipe in its place."""

    def __init__(self, *, json_only: bool = False) -> None:
        self.json_only = json_only
        self.is_drawn = sys.stderr.isatty()
        _quiet_logs()

    def json(self, document: Any) -> None:
        """Print one JSON document to stdout."""
        text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
        sys.stdout.write(redact_text(text) + "\n")

    def say(self, line: str = "") -> None:
        """Print a line of the result: to stdout, or to stderr when stdout is for JSON."""
        stream = sys.stderr if self.json_only else sys.stdout
        stream.write(shown(line) + "\n")
        stream.flush()

    def note(self, line: str) -> None:
        """Print a line about what is going on, to stderr."""
        sys.stderr.write(shown(line) + "\n")
        sys.stderr.flush()

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table with aligned columns; numbers stand to the right."""
        widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
        right = [all(_is_number(row[i]) for row in rows) for i in range(len(header))]
        for row in (header, ["-" * width for width in widths], *rows):
            cells = (
                cell.rjust(width) if to_right else cell.ljust(width)
                for cell, width, to_right in zip(row, widths, right, strict=True)
            )
            self.say("  ".join(cells).rstrip())

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show that something goes on; what it says is replaced on a terminal."""
        progress = Progress(title, drawn=self.is_drawn)
        try:
            progress.open()
            yield progress
        finally:
            progress.close()


def _is_number(text: str) -> bool:
    return text[:1].isdigit() or text[:1] in "+-" or text in ("", "n/a")


def _quiet_logs() -> None:
    from loguru import logger

    def clean(record: Any) -> None:
        record["message"] = shown(record["message"])

    logger.remove()
    logger.configure(patcher=clean)
    logger.add(sys.stderr, level="WARNING", format="rdagent: {message}")


class Progress:
    """One line that changes (terminal), or a line now and then (pipe)."""

    def __init__(self, title: str, *, drawn: bool) -> None:
        self._title, self._drawn = title, drawn
        self._status: Any = None
        self._last = ""
        self._next = 0.0
        self._width = 80

    def open(self) -> None:
        """Begin."""
        if self._drawn:
            from rich.console import Console

            console = Console(stderr=True)
            self._width = console.width
            self._status = console.status(self._title)
            self._status.start()
        else:
            self._write(self._title)

    def update(self, text: str) -> None:
        """Say how far it is; saying the same again prints nothing."""
        if text == self._last:
            return
        self._last = text
        if self._status:
            from rich.markup import escape

            # One line of the screen: what is longer would be left behind when it is redrawn.
            line = one_line(shown(f"{self._title}: {text}"), max(20, self._width - 4))
            self._status.update(escape(line))
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _PIPE_PAUSE_SECONDS
            self._write(f"{self._title}: {text}")

    def close(self) -> None:
        """End."""
        if self._status:
            self._status.stop()

    def _write(self, line: str) -> None:
        sys.stderr.write(shown(line) + "\n")
        sys.stderr.flush()
