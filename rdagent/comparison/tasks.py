"""Task by task: which metric, which items, how they pair, what they show.

Between ``pairing`` and ``measure``; ``compare`` calls it once for each candidate.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rdagent.comparison import measure
from rdagent.comparison.pairing import Pairing, pair
from rdagent.comparison.read import is_mean, mean_matches
from rdagent.comparison.report import Finding, Settings, TaskComparison
from rdagent.comparison.rows import LARGEST
from rdagent.comparison.sides import Side, TaskItems
from rdagent.comparison.stopped import with_own_test
from rdagent.comparison.texts import read_fields
from rdagent.comparison.verdicts import gain, gain_interval
from rdagent.core.feedback import TaskScore
from rdagent.errors import UsageError
from rdagent.evaluation.metrics import NO_FILTER, metric_kind
from rdagent.evaluation.primary import primary_scores
from rdagent.evaluation.results import MetricValue, ResultsDocument, TaskResult, split_key

if TYPE_CHECKING:
    from rdagent.comparison.compare import Options

#: Tasks whose documents share a text: items of one text are not independent.
CLUSTER_FIELDS: Mapping[str, str] = {
    "drop*": "passage",
    "squad*": "context",
    "coqa*": "story",
    "race*": "article",
    "boolq*": "passage",
    "qasper*": "abstract",
}


@dataclass(frozen=True, slots=True)
class PairedTask:
    """One task of both sides after its primary metric's filter."""

    score: TaskScore
    base_result: TaskResult
    candidate_result: TaskResult
    base: TaskItems | None
    candidate: TaskItems | None
    pairing: Pairing | None

    @property
    def task(self) -> str:
        """The task's name."""
        return self.base_result.name


@dataclass(frozen=True, slots=True)
class Compared:
    """What one task showed: its primary metric, and its other ones."""

    paired: PairedTask
    primary: TaskComparison
    others: tuple[TaskComparison, ...]
    #: The primary metric's items; None when it could not be tested.
    values: measure.Values | None


def common_tasks(base: Side, candidate: Side, wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks that both sides have, groups left out: their members are there.

    ``wanted`` may name groups; nothing: all tasks.
    """
    leaves = {leaf for name in wanted for leaf in base.results.leaves(name)}
    return tuple(
        task
        for task in base.results.tasks
        if task in candidate.results.tasks and (not wanted or task in leaves)
    )


def check_names(base: Side, candidates: Sequence[Side], options: Options) -> None:
    """Raise UsageError for a task, a metric or a field that is not there."""
    sides = (base, *candidates)
    known = {name for side in sides for name in (*side.results.tasks, *side.results.groups)}
    given = {"--tasks": options.tasks, "--metric": options.metrics, "--cluster": options.clusters}
    for flag, names in given.items():
        for name in names:
            if name not in known:
                raise UsageError(
                    f"{flag} {name}: no side has such a task",
                    hint=f"Tasks: {', '.join(sorted(known)[:20])}",
                )
    for task, wanted in options.metrics.items():
        metrics = [
            f"{metric.metric},{metric.filter}"
            for side in sides
            if task in side.results.tasks
            for metric in side.results.tasks[task].metrics
        ]
        if ",".join(split_key(wanted)) not in metrics:
            raise UsageError(
                f"--metric {task}={wanted}: the task has no such metric",
                hint=f"It has {', '.join(dict.fromkeys(metrics)) or 'none'}.",
            )


def pair_tasks(
    base: Side, candidate: Side, wanted: Sequence[str], chosen: Mapping[str, str] | None = None
) -> tuple[PairedTask, ...]:
    """Return every common task that has a metric in common, its items paired."""
    names = common_tasks(base, candidate, wanted)
    scores = primary_scores(_shared(base.results, candidate.results, names), names, chosen).scores
    return tuple(_paired(base, candidate, name, scores[name]) for name in names if name in scores)


def without_score(
    base: Side, candidate: Side, wanted: Sequence[str], paired: Sequence[PairedTask]
) -> Iterator[Finding]:
    """Yield what keeps a common task, or some of its items, from being compared."""
    found = {one.task for one in paired}
    for name in common_tasks(base, candidate, wanted):
        if name not in found:
            sides = (base.results.tasks[name], candidate.results.tasks[name])
            told = [_metrics_said(result) for result in sides]
            says = "no metric has a value on both sides: the task is left out"
            yield Finding("WARN", "metric", told[0], told[1], name, says)
    for one in paired:
        lacking = _numberless(one)
        if lacking:
            says = f"{lacking} items have no number for {one.score.metric} and are left out"
            yield Finding("WARN", "samples", None, None, one.task, says)
        if _scales_differ(one):
            says = "one score is a share of 1 and the other is not: two scales"
            values = [
                f"{found.value:g}" for found in _both(one) if found and found.value is not None
            ]
            yield Finding("WARN", "scale", values[0], values[1], one.task, says)


def _metrics_said(result: TaskResult) -> str:
    told = [f"{m.metric},{m.filter}" for m in result.metrics if m.value is not None]
    return ", ".join(told[:3]) or "none"


def _numberless(one: PairedTask) -> int:
    if one.pairing is None or one.base is None or one.candidate is None:
        return 0
    columns = one.base.column(one.score.metric), one.candidate.column(one.score.metric)
    if columns[0] is None or columns[1] is None:
        return 0
    values = measure.values_of(one.pairing.pairs, columns[0], columns[1])
    return len(one.pairing.pairs) - len(values.base) if values.base else 0


def _both(one: PairedTask) -> tuple[MetricValue | None, MetricValue | None]:
    name = (one.score.metric, one.score.filter or NO_FILTER)
    return one.base_result.find(*name), one.candidate_result.find(*name)


def _scales_differ(one: PairedTask) -> bool:
    values = [found.value for found in _both(one) if found is not None and found.value is not None]
    shares = [0 <= value <= 1 for value in values]
    return metric_kind(one.score.metric).ratio and len(set(shares)) > 1


def _shared(
    base: ResultsDocument, candidate: ResultsDocument, names: Sequence[str]
) -> ResultsDocument:
    """Return the base's results with the metrics that the candidate has as well."""
    tasks = {}
    for name in names:
        other = candidate.tasks[name]
        metrics = tuple(
            metric
            for metric in base.tasks[name].metrics
            if (found := other.find(metric.metric, metric.filter))
            and _is_number(metric.value)
            and _is_number(found.value)
        )
        tasks[name] = replace(base.tasks[name], metrics=metrics)
    return replace(base, tasks=tasks, groups={}, warnings=())


def _is_number(value: float | None) -> bool:
    return value is not None and abs(value) <= LARGEST


def _paired(base: Side, candidate: Side, name: str, score: TaskScore) -> PairedTask:
    wanted = score.filter or NO_FILTER
    left = base.items.get(name, {}).get(wanted)
    right = candidate.items.get(name, {}).get(wanted)
    return PairedTask(
        score=score,
        base_result=base.results.tasks[name],
        candidate_result=candidate.results.tasks[name],
        base=left,
        candidate=right,
        pairing=pair(left, right) if left and right else None,
    )


def compare_tasks(
    base: Side,
    candidate: Side,
    paired: Sequence[PairedTask],
    options: Options,
    settings: Settings,
) -> tuple[Compared, ...]:
    """Return what each task shows; verdicts are not given yet."""
    return tuple(_compare(base, candidate, one, options, settings) for one in paired)


def _compare(
    base: Side, candidate: Side, one: PairedTask, options: Options, settings: Settings
) -> Compared:
    labels = _labels(one, options)
    tested, values = _row(base, candidate, one, one.score, settings, labels)
    row = with_own_test(tested, candidate)
    others = tuple(_others(base, candidate, one, settings, labels))
    marked = replace(
        measure.with_rates(row, base.rates.get(one.task), candidate.rates.get(one.task)),
        contaminated=one.task in candidate.contaminated,
        is_target=one.task in settings.targets,
        is_guard=one.task in settings.guards,
        format_only=_is_format_only((row, *others), settings.alpha),
    )
    return Compared(one, marked, others, values)


def _row(
    base: Side,
    candidate: Side,
    one: PairedTask,
    score: TaskScore,
    settings: Settings,
    labels: Mapping[int, Hashable] | None,
) -> tuple[TaskComparison, measure.Values | None]:
    filter_name = score.filter or NO_FILTER
    left = one.base_result.find(score.metric, filter_name)
    right = one.candidate_result.find(score.metric, filter_name)
    if left is None or right is None:
        raise AssertionError(f"{one.task}: {score.metric} was chosen and is not there")
    if score.ratio and not all(0 <= (side.value or 0) <= 1 for side in (left, right)):
        score = replace(score, ratio=False)
    why = _why_untested(base, candidate, one, score, left, right)
    row = measure.untested(one.task, candidate.info.name, score, left, right, why or "")
    if why is not None or one.pairing is None or one.base is None or one.candidate is None:
        return row, None
    columns = one.base.column(score.metric), one.candidate.column(score.metric)
    if columns[0] is None or columns[1] is None:
        return replace(row, reason="its items do not hold this metric"), None
    values = measure.values_of(one.pairing.pairs, columns[0], columns[1])
    found = measure.with_items(row, one.pairing, values, settings, labels)
    return found, values if found.p is not None else None


def _why_untested(
    base: Side,
    candidate: Side,
    one: PairedTask,
    score: TaskScore,
    left: MetricValue,
    right: MetricValue,
) -> str | None:
    """Return why a metric cannot be tested item by item; None when it can."""
    missing = [
        side
        for side, items in (("base", one.base), ("candidate", one.candidate))
        if items is None or not items.items
    ]
    if missing:
        return f"there are no items of the {' and the '.join(missing)}: unpaired and untested"
    assert one.base is not None and one.candidate is not None  # noqa: S101, PT018
    for side, items, value in ((base, one.base, left), (candidate, one.candidate, right)):
        column = items.column(score.metric)
        if column is None:
            return "its items do not hold this metric"
        numbers = [item.values[column] for item in items.items]
        if not any(number is not None for number in numbers):
            return "its items hold no number for this metric: it is no mean over items"
        if mean_matches(items, score.metric, value.value):
            continue
        if not is_mean(side.document, one.task, score.metric):
            return "it is worked out over all items at once: no mean over items, so no test"
        if _are_whole(side, one.task, items, numbers):
            return (
                f"the items of {side.info.name} give another score than its results say:"
                " they may be another model's"
            )
    return None


def _are_whole(side: Side, task: str, items: TaskItems, numbers: Sequence[float | None]) -> bool:
    """Tell whether all items are there that the results stand on, each with a number."""
    count = side.results.tasks[task].n_effective
    return count is not None and count == len(items.items) and None not in numbers


def _others(
    base: Side,
    candidate: Side,
    one: PairedTask,
    settings: Settings,
    labels: Mapping[int, Hashable] | None,
) -> list[TaskComparison]:
    """Return the rows of every other metric that both sides have."""
    taken = (one.score.metric, one.score.filter or NO_FILTER)
    found = []
    for metric in one.base_result.metrics:
        name = (metric.metric, metric.filter)
        other = one.candidate_result.find(*name)
        if name == taken or metric.value is None or other is None or other.value is None:
            continue
        result = replace(one.base_result, metrics=(metric,))
        document = replace(base.results, tasks={one.task: result}, groups={}, warnings=())
        score = primary_scores(document, [one.task]).scores[one.task]
        again = one if metric.filter == taken[1] else _paired(base, candidate, one.task, score)
        row, _ = _row(base, candidate, replace(again, score=score), score, settings, labels)
        found.append(row)
    return found


def _is_format_only(rows: Sequence[TaskComparison], alpha: float) -> bool:
    """Tell whether the strict filter gains and the flexible one does not."""
    by_filter = {row.filter or "": row for row in rows if row.metric == rows[0].metric}
    strict = next((row for name, row in by_filter.items() if "strict" in name), None)
    flexible = next((row for name, row in by_filter.items() if "flexible" in name), None)
    if strict is None or flexible is None or strict.p is None or flexible.p is None:
        return False
    if not _gains(strict, alpha) or _gains(flexible, alpha):
        return False
    # One that is significant and one that is not need not differ: the gain has to be smaller.
    interval = gain_interval(flexible)
    return interval is not None and interval[1] < gain(strict)


def _gains(row: TaskComparison, alpha: float) -> bool:
    return row.p is not None and row.p < alpha and gain(row) > 0


def _labels(one: PairedTask, options: Options) -> dict[int, Hashable] | None:
    """Return document → cluster, where items of this task hang together."""
    field = options.clusters.get(one.task) or next(
        (name for pattern, name in CLUSTER_FIELDS.items() if fnmatchcase(one.task, pattern)), None
    )
    if field is None or one.base is None:
        return None
    found: dict[int, Hashable] = {
        doc: told[field] for doc, told in read_fields(one.base, [field]).items() if field in told
    }
    if not found and one.task in options.clusters:
        raise UsageError(f"--cluster {one.task}={field}: no document has such a field")
    return found if len(set(found.values())) < len(found) else None
