"""The words and marks of verdicts: never a colour alone.

The marks are those of the plot, so that a row is found again there.
"""

from __future__ import annotations

from rdagent.comparison.page.markup import Markup, join, tag
from rdagent.comparison.report import OverallVerdict, TaskVerdict

#: A mark, and the class that gives it a colour.
_MARKS: dict[str, tuple[str, str]] = {
    "improved": ("▲", "better"),
    "regressed": ("▼", "worse"),
    "mixed": ("▲▼", "plain"),
    "equivalent": ("■", "plain"),
    "no evidence": ("○", "plain"),
    "inconclusive": ("○", "plain"),
    "underpowered": ("◇", "plain"),
    "untested": ("–", "plain"),
    "not comparable": ("✕", "worse"),
}
_PLAIN_WORDS: dict[OverallVerdict, str] = {
    "improved": "better, and not by chance",
    "regressed": "worse, and not by chance",
    "mixed": "better on some tasks, worse on others",
    "equivalent": "no difference beyond the margin",
    "inconclusive": "not enough evidence to decide",
    "untested": "scores without items, nothing to test",
    "not comparable": "the models were not asked the same",
}


def mark(verdict: TaskVerdict | OverallVerdict) -> Markup:
    """Return a verdict's mark, for the eye only."""
    sign, colour = _MARKS[verdict]
    return tag("span", sign, class_=f"mark {colour}", aria_hidden="true")


def named(verdict: TaskVerdict | OverallVerdict) -> Markup:
    """Return a verdict with its mark."""
    word = tag("span", verdict, class_=_MARKS[verdict][1])
    return tag("span", mark(verdict), " ", word, class_="verdict-word")


def headline(verdict: OverallVerdict) -> Markup:
    """Return the overall verdict in plain words."""
    return join(
        [
            mark(verdict),
            " ",
            tag("strong", verdict.capitalize(), class_=_MARKS[verdict][1]),
            tag("span", f": {_PLAIN_WORDS[verdict]}", class_="plain-words"),
        ]
    )
