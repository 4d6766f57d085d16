"""Means over tasks and groups, with intervals; no task counts twice.

Built from the rows of leaf tasks alone: a group's reported score is never added to its
members'.  Intervals combine those of the tasks, so that a task without a flip still
brings its uncertainty along.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdagent.comparison.report import Average, AverageKind, Interval, Stratum, TaskComparison
from rdagent.comparison.verdicts import gain, gain_interval
from rdagent.evaluation.results import ResultsDocument
from rdagent.statistics import combined
from rdagent.statistics.interval import Interval as OneInterval


def averages(rows: Sequence[TaskComparison]) -> tuple[Average, ...]:
    """Return the mean of tasks and the mean of items; none when nothing can be averaged."""
    ratios = [row for row in rows if row.ratio]
    excluded = {
        row.task: f"{row.metric} is not known to be a share of 1" for row in rows if not row.ratio
    }
    if not ratios:
        return ()
    found = [_average("macro", ratios, [1.0] * len(ratios), excluded)]
    if all(row.n for row in ratios):
        weights = [float(row.n) for row in ratios]
        found.append(_average("item-weighted", ratios, weights, excluded))
    return tuple(found)


def groups(results: ResultsDocument, rows: Sequence[TaskComparison]) -> tuple[Stratum, ...]:
    """Return each group over the items of its members, where one metric is theirs all."""
    by_task = {row.task: row for row in rows}
    found = []
    for name in results.groups:
        members = [by_task[leaf] for leaf in results.leaves(name) if leaf in by_task]
        if len(members) < 2 or len({(row.metric, row.filter) for row in members}) > 1:
            continue
        found.append(stratum(name, members))
    return tuple(found)


def stratum(name: str, rows: Sequence[TaskComparison]) -> Stratum:
    """Return several tasks as one, each item counting once; untested tasks count alike."""
    weights = [float(row.n) for row in rows]
    if not all(weights):
        weights = [1.0] * len(rows)
    interval = _interval(rows, weights)
    if interval is not None and not rows[0].higher_is_better:
        interval = Interval(-interval.high, -interval.low)
    return Stratum(
        name=name,
        n=sum(row.n for row in rows),
        base=_weighted([row.base for row in rows], weights),
        candidate=_weighted([row.candidate for row in rows], weights),
        delta=_weighted([row.delta for row in rows], weights),
        interval=interval,
        ratio=rows[0].ratio,
    )


def _average(
    kind: AverageKind,
    rows: Sequence[TaskComparison],
    weights: Sequence[float],
    excluded: dict[str, str],
) -> Average:
    return Average(
        kind=kind,
        base=_weighted([_oriented(row, row.base) for row in rows], weights),
        candidate=_weighted([_oriented(row, row.candidate) for row in rows], weights),
        delta=_weighted([gain(row) for row in rows], weights),
        interval=_interval(rows, weights),
        tasks=len(rows),
        items=sum(row.n for row in rows),
        excluded=excluded,
    )


def _oriented(row: TaskComparison, value: float) -> float:
    return value if row.higher_is_better else 1 - value


def _weighted(values: Sequence[float], weights: Sequence[float]) -> float:
    total = sum(weights)
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / total


def _interval(rows: Sequence[TaskComparison], weights: Sequence[float]) -> Interval | None:
    """Return the interval of the mean gain; None as soon as one task has none."""
    intervals = [gain_interval(row) for row in rows]
    known = [interval for interval in intervals if interval is not None]
    if len(known) < len(rows):
        return None
    parts = [
        combined.Part(gain(row), OneInterval(low, high), _table(row))
        for row, (low, high) in zip(rows, known, strict=True)
    ]
    found = combined.weighted(parts, weights)
    return Interval(found.low, found.high)


def _table(row: TaskComparison) -> combined.Table | None:
    """Return the counts of right-or-wrong items that stand alone."""
    if row.b is None or row.c is None or row.clusters is not None:
        return None
    return combined.Table(row.b, row.c, row.n)
