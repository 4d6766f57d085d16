"""The text report on one variant: a line per task, the average, what is to be known."""

from __future__ import annotations

from collections.abc import Iterator

from rdagent.core.feedback import TaskScore
from rdagent.evaluation.record import Evaluation, VariantResult
from rdagent.evaluation.stopping import stopping_lines


def percent(value: float) -> str:
    """Return a fraction as percent with two decimals."""
    return f"{100 * value:.2f}"


def score_text(score: TaskScore) -> str:
    """Return a score with its standard error; percent where it is a ratio."""
    if score.ratio:
        shown = f"{percent(score.value)}%"
        return shown if score.stderr is None else f"{shown} ± {percent(score.stderr)}"
    return f"{score.value:g}" + ("" if score.stderr is None else f" ± {score.stderr:g}")


def report_lines(evaluation: Evaluation, variant: VariantResult) -> list[str]:
    """Return the report of one variant."""
    lines = [
        _task_line(task, score) + (", contaminated" if task in variant.contaminated else "")
        for task, score in variant.scores.items()
    ]
    lines += [f"{task}: no result" for task in variant.missing]
    lines.append(_average_line(variant))
    if limited := evaluation.limited():
        lines.append(f"Limited run ({limited}): not comparable with a full one.")
    decided = stopping_lines(variant.stopping, variant.name)
    lines += [f"{task}: {line}" for task, line in (*decided, *rate_lines(variant))]
    return lines + [f"Note: {note}" for note in (*evaluation.notes, *variant.notes)]


_RATES = {
    "cut_at_length": "cut at their longest length (raise --max-gen-toks)",
    "empty": "empty",
    "prompt_cut": "given to a prompt whose beginning was cut (raise --max-model-len)",
    "right_only_when_read_flexibly": "right in content and wrong in form",
}


def rate_lines(variant: VariantResult) -> Iterator[tuple[str, str]]:
    """Yield, by task, how many answers failed in ways that can be counted; none, no line."""
    for task, rates in (variant.rates or {}).items():
        answers = rates.get("answers")
        if not isinstance(answers, int) or answers < 1:
            continue
        for name, what in _RATES.items():
            count = rates.get(name)
            if isinstance(count, int) and count:
                yield task, f"{_share(count, answers)} answers were {what}"
        nothing = rates.get("nothing_extracted")
        for name, count in nothing.items() if isinstance(nothing, dict) else ():
            if isinstance(count, int) and count:
                documents = rates.get("documents")
                of = documents if isinstance(documents, int) and documents else answers
                yield task, f"filter {name} found nothing in {_share(count, of)} items"


def _share(count: int, of: int) -> str:
    return f"{count} of {of} ({100 * count / of:.1f}%)"


def metric_name(score: TaskScore) -> str:
    """Return a metric with its filter, as lm_eval writes them."""
    return f"{score.metric},{score.filter}" if score.filter else score.metric


def _task_line(task: str, score: TaskScore) -> str:
    size = "" if score.n is None else f", n={score.n}"
    direction = ", lower is better" if score.higher_is_better is False else ""
    return f"{task}: {score_text(score)} ({metric_name(score)}{size}{direction})"


def _average_line(variant: VariantResult) -> str:
    average = variant.average
    if average.value is None:
        line = "Average: none"
    else:
        line = f"Average: {percent(average.value)}% over {len(average.included)} task(s)"
    if average.excluded:
        left_out = "; ".join(f"{task} ({why})" for task, why in average.excluded.items())
        line += f"; left out: {left_out}"
    return line
