"""Pick one score per task: by table, else by a stated order of preference, with a note.

``primary.json`` names the metric and filter that a task is known by.  A group has its
own score or none: none is made up from its members, which then stand in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from rdagent.core.feedback import TaskScore
from rdagent.evaluation.metrics import NO_FILTER, metric_kind, table
from rdagent.evaluation.results import MetricValue, ResultsDocument, TaskResult, split_key
from rdagent.records.metric_keys import rank, short_key


@dataclass(frozen=True, slots=True)
class PrimaryScores:
    """One score per task asked for, what has none, and what a reader should know."""

    scores: Mapping[str, TaskScore]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Picking:
    document: ResultsDocument
    #: Task or group → the metric that was asked for, in place of the table's.
    chosen: Mapping[str, str]
    scores: dict[str, TaskScore] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def primary_scores(
    document: ResultsDocument,
    requested: Sequence[str],
    chosen: Mapping[str, str] | None = None,
) -> PrimaryScores:
    """Return the primary score of each requested task and group.

    ``chosen`` names metrics, as ``metric,filter``, that go before the table's.

    Members of a group that has a score are not in it: they are in the document.
    A group without one gives its members' scores instead, each under its own name.
    """
    picking = _Picking(document, chosen or {}, notes=list(document.warnings))
    for name in dict.fromkeys(requested):
        group = document.groups.get(name)
        task = document.tasks.get(name)
        if group is not None:
            _pick_group(picking, group)
        elif task is not None:
            _pick(picking, task)
        else:
            picking.missing.append(name)
    return PrimaryScores(picking.scores, tuple(picking.missing), tuple(picking.notes))


def _pick_group(picking: _Picking, group: TaskResult) -> None:
    if group.metrics:
        _pick(picking, group)
        return
    leaves = picking.document.leaves(group.name)
    if not leaves:
        picking.missing.append(group.name)
        return
    picking.notes.append(
        f"{group.name} has no score of its own: its {len(leaves)} tasks are scored in its place"
    )
    for leaf in leaves:
        task = picking.document.tasks.get(leaf)
        if task is None:
            picking.missing.append(leaf)
        elif leaf not in picking.scores:
            _pick(picking, task)


def _pick(picking: _Picking, task: TaskResult) -> None:
    wanted = _first(task, [picking.chosen[task.name]]) if task.name in picking.chosen else None
    known = wanted or _known(task)
    found = known or _preferred(task)
    if found is None:
        picking.missing.append(task.name)
        return
    if found.value is None:
        picking.missing.append(task.name)
        picking.notes.append(f"{task.name}: {found.metric} has no value")
        return
    if wanted is None and task.name in picking.chosen:
        picking.notes.append(
            f"{task.name}: {picking.chosen[task.name]}, which was asked for, is not among its"
            f" metrics; {key_of(found)} was taken"
        )
    elif known is None and len(task.metrics) > 1:  # with one there is nothing to choose
        picking.notes.append(
            f"{task.name}: no primary metric is known for it; {key_of(found)} was taken"
        )
    picking.scores[task.name] = _score(picking, task, found, found.value)


def _known(task: TaskResult) -> MetricValue | None:
    """Return the metric that the table names, if the results hold it."""
    return _first(task, candidates(task.name))


def candidates(name: str) -> Sequence[str]:
    """Return the metrics that the table names for a task, the first choice first."""
    listed: Mapping[str, Sequence[str]] = table()["tasks"]
    if name in listed:
        return listed[name]
    patterns: Mapping[str, Sequence[str]] = table()["patterns"]
    return next((keys for pattern, keys in patterns.items() if fnmatchcase(name, pattern)), ())


def _preferred(task: TaskResult) -> MetricValue | None:
    """Return a metric by the order of preference; one without a value only as a last resort."""
    with_value = [metric for metric in task.metrics if metric.value is not None]
    return min(with_value or task.metrics, key=_rank, default=None)


def _rank(item: MetricValue) -> tuple[int, int, str]:
    """Order by metric, then by filter; names decide the rest, never the order in the file."""
    return rank(key_of(item), preference())


def preference() -> Sequence[str]:
    """Return the metrics that go before others where none is named for a task."""
    listed: Sequence[str] = table()["preference"]
    return listed


def _first(task: TaskResult, keys: Sequence[str]) -> MetricValue | None:
    for key in keys:
        found = task.find(*split_key(key))
        if found is not None:
            return found
    return None


def key_of(metric: MetricValue) -> str:
    """Return a metric's name as lm_eval writes it, the empty filter left out."""
    return short_key(metric.metric, metric.filter)


def _score(picking: _Picking, task: TaskResult, metric: MetricValue, value: float) -> TaskScore:
    kind = metric_kind(metric.metric)
    direction = metric.higher_is_better
    if direction is None:
        direction = kind.higher_is_better
    if direction is None:
        direction = True
        picking.notes.append(
            f"{task.name}: it is not known whether more {metric.metric} is better; taken as yes"
        )
    ratio = kind.ratio and 0 <= value <= 1
    if kind.ratio and not ratio:
        picking.notes.append(
            f"{task.name}: {metric.metric} is {value:g}, so it is no share of 1 here"
        )
    return TaskScore(
        metric=metric.metric,
        filter=None if metric.filter == NO_FILTER else metric.filter,
        value=value,
        stderr=metric.stderr,
        n=_documents(picking.document, task),
        higher_is_better=direction,
        ratio=ratio,
    )


def _documents(document: ResultsDocument, task: TaskResult) -> int | None:
    """Return how many documents a score stands on; a group stands on its tasks'."""
    if task.n_effective is not None or not task.is_group:
        return task.n_effective
    counts = [
        document.tasks[leaf].n_effective
        for leaf in document.leaves(task.name)
        if leaf in document.tasks
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None
