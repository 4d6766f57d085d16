"""How far an evaluation is, read from the end of its log: which model, doing what, how much.

The log is a stranger's text; of it only the words of a bar's title and its numbers are
told, and a line that says nothing of progress changes nothing.  Used by ``run``.
"""

from __future__ import annotations

import re

from rdagent.files.printable import one_line

_TITLE = 40
_STARTS = re.compile(r"^evaluate: variant '([^'\n]{1,100})' starts", re.MULTILINE)
#: What tqdm draws: a title, percent, a bar, how many of how many.
_BAR = re.compile(r"^([A-Za-z][\w ,()-]*?):?\s+\d{1,3}%\|[^|\n]*\|\s*(\d+)/(\d+)\s", re.MULTILINE)
_NOISE = re.compile(r"^Running | requests$")


class EvaluationProgress:
    """Remembers which model is at work; its name scrolls out of the log's end."""

    def __init__(self) -> None:
        self._variant = ""

    def read(self, end_of_log: str) -> str:
        """Return one short line, empty when nothing is known yet."""
        text = end_of_log.replace("\r", "\n")
        starts = list(_STARTS.finditer(text))
        if starts:
            self._variant = one_line(starts[-1].group(1), _TITLE)
        since = starts[-1].end() if starts else 0
        bars = list(_BAR.finditer(text, since))
        doing = _doing(bars[-1]) if bars else "starting"
        return f"{self._variant}: {doing}" if self._variant else ""


def _doing(bar: re.Match[str]) -> str:
    title = _NOISE.sub("", bar.group(1))
    return f"{one_line(title, _TITLE).lower()} {bar.group(2)} of {bar.group(3)}"
