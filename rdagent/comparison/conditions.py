"""``--fail-on``: which outcomes make the command fail, and with which exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from rdagent.comparison.report import CandidateReport, Report
from rdagent.errors import UsageError

Condition = Literal["regression", "inconclusive", "warning"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
NOT_COMPARABLE, HELD, INCONCLUSIVE = 4, 1, 3


def read_conditions(text: str) -> tuple[Condition, ...]:
    """Read ``regression,inconclusive`` or ``none``."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if words in (["none"], []):
        return ()
    unknown = [word for word in words if word not in CONDITIONS]
    if unknown:
        raise UsageError(
            f"--fail-on {unknown[0]}: no such condition",
            hint=f"One or more of {', '.join(CONDITIONS)}, or none.",
        )
    return tuple(word for word in CONDITIONS if word in words)


def exit_code(report: Report, conditions: Sequence[Condition]) -> int:
    """Return 0, or the code of the gravest condition that holds."""
    if not report.forced and any(one.fatal for one in report.candidates):
        return NOT_COMPARABLE
    if "regression" in conditions and any(_regressed(report, one) for one in report.candidates):
        return HELD
    if "warning" in conditions and any(
        finding.level != "INFO" for one in report.candidates for finding in one.findings
    ):
        return HELD
    inconclusive = any(
        one.overall.verdict in ("inconclusive", "untested") for one in report.candidates
    )
    return INCONCLUSIVE if "inconclusive" in conditions and inconclusive else 0


def _regressed(report: Report, one: CandidateReport) -> bool:
    """Tell whether something fell; where tasks were named, whether one of those did."""
    if report.settings.targets or report.settings.guards:
        return one.overall.verdict == "regressed"
    return any(row.verdict == "regressed" for row in one.tasks)
