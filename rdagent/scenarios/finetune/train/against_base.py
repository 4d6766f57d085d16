"""What the evaluator says of an adapter beside its base: verdicts, and no text of a test item.

The base is compared when its answers are there; otherwise there is no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rdagent.comparison.compare import Options, compare
from rdagent.comparison.known_base import known_bases
from rdagent.comparison.looks import note_look
from rdagent.comparison.operands import find_sources
from rdagent.comparison.read import read_side
from rdagent.comparison.report import CandidateReport, Looks, Report, Settings, TaskComparison
from rdagent.comparison.sides import Side
from rdagent.comparison.tasks import common_tasks
from rdagent.comparison.wording import delta_text, interval_text, p_said, value_text
from rdagent.core.feedback import CoSTEERSingleFeedback
from rdagent.core.settings import runs_root
from rdagent.errors import RDAgentError
from rdagent.evaluation.record import VariantResult
from rdagent.files.logs import log


def compare_with_base(variant: VariantResult, seed: int) -> Report | None:
    """Return the comparison with the base; None when no run holds answers to compare with."""
    root = runs_root()
    for folder in known_bases(root, variant.folder):
        try:
            report = _compare(root, folder, variant, seed)
        except RDAgentError as error:
            log().warning("{} is not compared with: {}", folder, error.message)
            continue
        if report is not None:
            return report
    return None


def _compare(root: Path, folder: Path, variant: VariantResult, seed: int) -> Report | None:
    sources = find_sources([str(folder), str(variant.folder)], root)
    base, candidate = (read_side(source) for source in sources)
    tasks = common_tasks(base, candidate, ())
    if not _covers(base, candidate):
        return None
    options = Options(settings=Settings(seed=seed), flips=0)
    report = compare(base, [candidate], options, Looks(0, 0))
    if report.candidates[0].fatal:
        return None
    return replace(report, looks=note_look(root, base, [candidate], tasks))


def _covers(base: Side, candidate: Side) -> bool:
    """Tell whether the base was asked every task that the candidate was."""
    return candidate.results.tasks.keys() <= base.results.tasks.keys()


def with_verdict(
    feedback: CoSTEERSingleFeedback, report: Report | None, *, required: bool
) -> CoSTEERSingleFeedback:
    """Return the feedback with the comparison; a regression counts only where that is required.

    Where it is required and there is nothing to compare with, the decision stays open.
    """
    if report is None:
        open_ = required and feedback.final_decision
        return replace(feedback, final_decision=None) if open_ else feedback
    (one,) = report.candidates
    checked = "\n".join([*filter(None, [feedback.return_checking]), *lines_of(report, one)])
    fell = any(row.verdict == "regressed" for row in one.tasks)
    return replace(
        feedback,
        verdict=one.overall.verdict,
        return_checking=checked,
        final_decision=False if required and fell else feedback.final_decision,
    )


def lines_of(report: Report, one: CandidateReport) -> Iterator[str]:
    """Yield the comparison as lines: verdicts and numbers alone."""
    yield f"Against the base ({report.base.source}): {one.overall.verdict} - {one.overall.reason}"
    for row in one.tasks:
        yield f"  {row.task}: {_row(row)}"
    for finding in one.findings:
        if finding.level != "INFO":
            where = f"{finding.task}: " if finding.task else ""
            yield f"  {finding.level} {where}{finding.field} {finding.says}".rstrip()
    if report.looks.candidates:
        yield (
            f"  candidate {report.looks.candidates + 1} of this base on these tasks here:"
            " the best of many looks better than it is"
        )


def _row(row: TaskComparison) -> str:
    values = f"{value_text(row, row.base)} to {value_text(row, row.candidate)}, {delta_text(row)}"
    if row.p is None:
        return f"{values}, untested: {row.reason}"
    mark = ", format only" if row.format_only else ""
    interval = f", 95% interval {interval_text(row)}" if interval_text(row) else ""
    return f"{values}, n {row.n}{interval}, {p_said(row.p)}: {row.verdict}{mark}"
