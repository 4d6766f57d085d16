"""Make text from outside harmless before a terminal, a page or an agent sees it."""

from __future__ import annotations

import re

# Operating-system commands and the like end with BEL or ST; a missing end eats one line at most.
_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"
    r"|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?"
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Drop terminal escapes; replace control, direction and surrogate characters by a mark."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("\ufffd", _ESCAPES.sub("", unified))


def one_line(text: str, limit: int = 200) -> str:
    """Return ``text`` printable, on one line and at most ``limit`` characters long."""
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def last_lines(text: str, count: int) -> str:
    """Return the last ``count`` lines that hold something."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])


def readable_size(count: float) -> str:
    """Return a number of bytes in the unit that a reader takes in at once."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
