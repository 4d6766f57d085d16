"""The text report on one variant: a line per task, the average, what is to be known."""

from __future__ import annotations

from rdagent.core.feedback import TaskScore
from rdagent.evaluation.run import Evaluation, VariantResult


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
    lines = [_task_line(task, score) for task, score in variant.scores.items()]
    lines += [f"{task}: no result" for task in variant.missing]
    lines.append(_average_line(variant))
    if evaluation.limit is not None:
        lines.append(f"Limited run (limit={evaluation.limit:g}): not comparable with a full one.")
    return lines + [f"Note: {note}" for note in (*evaluation.notes, *variant.notes)]


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
