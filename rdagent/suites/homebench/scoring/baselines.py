"""What three rules score that need no model: print them beside every result.

Two records in five ask for one thing that cannot be done, so that refusing everything looks
better than many a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rdagent.suites.homebench.scoring.categories import ALL, CATEGORIES
from rdagent.suites.homebench.scoring.clauses import clauses
from rdagent.suites.homebench.scoring.operations import ERROR_INPUT
from rdagent.suites.homebench.scoring.score import Total, by_category, count

#: Rule → what it answers.
BASELINES = {
    "always_error": "always {error_input}",
    "error_per_clause": "one error_input per clause",
    "error_count_known": "the right number of error_input (knows the gold)",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a rule may look at, and what it is scored by."""

    category: str
    gold: tuple[str, ...]
    #: None where the instruction was not given.
    request: str | None


def score_baselines(questions: Sequence[Question]) -> dict[str, dict[str, Total] | None]:
    """Score the rules on these very records; None where a rule lacks the instructions."""
    requests = [each.request for each in questions if each.request is not None]
    per_clause = None
    if len(requests) == len(questions):
        per_clause = _score(questions, [max(1, len(clauses(each))) for each in requests])
    return {
        "always_error": _score(questions, [1] * len(questions)),
        "error_per_clause": per_clause,
        "error_count_known": _score(questions, [len(each.gold) for each in questions]),
    }


def _score(questions: Sequence[Question], sizes: Sequence[int]) -> dict[str, Total]:
    return by_category(
        (each.category, count((ERROR_INPUT,) * size, each.gold))
        for each, size in zip(questions, sizes, strict=True)
    )


def order_of(totals: dict[str, Total]) -> list[Total]:
    """Return the totals in the order of the paper's tables: the categories, then all."""
    return [totals[category] for category in (*CATEGORIES, ALL)]
