"""Turn an evaluation into the feedback that a caller's loop reads.

Numbers decide; the text repeats them.  JSON carries fractions, text percent.
"""

from __future__ import annotations

from collections.abc import Iterator

from rdagent.core.feedback import CoSTEERSingleFeedback
from rdagent.errors import RDAgentError
from rdagent.evaluation.record import Evaluation, VariantResult
from rdagent.evaluation.report import metric_name, percent, report_lines
from rdagent.evaluation.samples import lines_of, task_samples
from rdagent.files.printable import last_lines, one_line, printable
from rdagent.jobs.outcome import Outcome, reason_of_error
from rdagent.records.results import samples_name

SOURCE = "FTBenchmarkEvaluator"
_RAW_LIMIT = 8000


def feedback_of(
    evaluation: Evaluation, variant_name: str, *, samples: int = 0, seed: int = 0
) -> CoSTEERSingleFeedback:
    """Return the feedback on one variant of a run; ``samples`` wrong items of each task are shown.

    Without them no text of a test item is in it.
    """
    variant = evaluation.variant(variant_name)
    if variant is None or not variant.scores:
        return _feedback_of_failure(evaluation)
    complete = not variant.missing and evaluation.status.reason == "ok"
    asked = len(variant.scores) + len(variant.missing)
    return CoSTEERSingleFeedback(
        execution=_execution(evaluation, variant, asked),
        return_checking="\n".join(
            [
                *map(printable, report_lines(evaluation, variant)),
                *_sample_lines(variant, samples, seed),
            ]
        ),
        code=percent(variant.average.value) if variant.average.value is not None else "",
        final_decision=complete,
        scores=dict(variant.scores),
        reason=evaluation.status.reason,
        raw_execution=_raw(evaluation),
        source_feedback={SOURCE: complete},
    )


def _sample_lines(variant: VariantResult, count: int, seed: int) -> Iterator[str]:
    if not count:
        return
    for task, score in variant.scores.items():
        found = task_samples(
            variant.folder / samples_name(task),
            score,
            count,
            seed,
            with_prompts=task not in variant.examples_from_scored,
        )
        if found is not None:
            yield from lines_of(task, found, metric_name(score))


def _execution(evaluation: Evaluation, variant: VariantResult, asked: int) -> str:
    line = f"Benchmark completed: {len(variant.scores)}/{asked} tasks evaluated"
    if variant.missing:
        line += f"; no result for {', '.join(variant.missing)}"
    return f"{line} (run {evaluation.run_id})"


def _feedback_of_failure(evaluation: Evaluation) -> CoSTEERSingleFeedback:
    status = evaluation.status
    code = evaluation.job_exit_code
    if code is None or status.reason in ("timeout", "cancelled"):
        code = status.exit_code
    said = f": {one_line(evaluation.message, 400)}" if evaluation.message else ""
    return CoSTEERSingleFeedback(
        execution=f"Benchmark execution failed (exit_code={code}): {status.reason}{said}",
        return_checking=f"No scores. {Outcome(status.reason).hint}\n{_end(evaluation)}",
        code="",
        final_decision=False,
        reason=status.reason,
        raw_execution=_raw(evaluation),
        source_feedback={SOURCE: False},
    )


def _raw(evaluation: Evaluation) -> str:
    return printable(evaluation.log_tail)[-_RAW_LIMIT:]


def _end(evaluation: Evaluation) -> str:
    return "The log ends:\n" + last_lines(_raw(evaluation), 15)[-2000:]


def feedback_of_error(error: RDAgentError) -> CoSTEERSingleFeedback:
    """Return the feedback on a request that was turned down before anything ran."""
    return CoSTEERSingleFeedback(
        execution=printable(error.message),
        return_checking=printable(error.hint) or None,
        code="",
        final_decision=False,
        reason=reason_of_error(error),
        source_feedback={SOURCE: False},
    )
