"""A task by its subjects and by the length of its questions, a group by its tasks.

To look at, not to decide by: parts are not tested.  Where a whole goes one way and all
its parts the other (Simpson's paradox), that is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from rdagent.comparison.averages import stratum
from rdagent.comparison.measure import Values
from rdagent.comparison.report import Breakdown, Cut, Interval, Stratum, TaskComparison
from rdagent.evaluation.metrics import NO_FILTER
from rdagent.evaluation.results import ResultsDocument
from rdagent.statistics import graded, proportions

#: Fields of documents by which people ask for a breakdown, the most telling first.
SUBJECT_FIELDS = (
    "subject",
    "category",
    "subcategory",
    "level",
    "difficulty",
    "type",
    "domain",
    "language",
    "kind",
)
#: A field with more values than this names items, it does not sort them.
_MOST_PARTS = 40
_FEWEST_ITEMS = 2
_QUARTERS = ("shortest quarter", "second quarter", "third quarter", "longest quarter")


def by_group(
    results: ResultsDocument, candidate: ResultsDocument, rows: Sequence[TaskComparison]
) -> tuple[Breakdown, ...]:
    """Return each group by its tasks."""
    by_task = {row.task: row for row in rows}
    reported = (results, candidate)
    found = []
    for name in results.groups:
        members = [by_task[leaf] for leaf in results.leaves(name) if leaf in by_task]
        alike = len({(row.metric, row.filter) for row in members}) == 1
        if len(members) < 2 or not alike or not all(row.n for row in members):
            continue
        strata = tuple(stratum(row.task, [row]) for row in members)
        whole = _reported(reported, name, members)
        found.append(Breakdown(name, "group", name, strata, is_reversed(whole, strata)))
    return tuple(found)


def by_field(
    row: TaskComparison, values: Values, fields: Mapping[int, Mapping[str, str]], seed: int
) -> tuple[Breakdown, ...]:
    """Return a task by every field of its documents that sorts them."""
    found = []
    for name in SUBJECT_FIELDS:
        labels = {doc: told[name] for doc, told in fields.items() if name in told}
        parts = _parts(values, labels)
        if 2 <= len(parts) <= _MOST_PARTS and all(map(len, parts.values())):
            found.append(_breakdown(row, "subject", name, values, parts, seed))
    return tuple(found)


def by_length(
    row: TaskComparison, values: Values, lengths: Mapping[int, int], seed: int
) -> Breakdown | None:
    """Return a task by quarters of its questions' lengths; None when they are all alike."""
    known = [doc for doc in values.doc_ids if doc in lengths]
    ordered = sorted({lengths[doc] for doc in known})
    if len(ordered) < len(_QUARTERS) or len(known) < 4 * _FEWEST_ITEMS:
        return None
    sizes = sorted(lengths[doc] for doc in known)
    bounds = [sizes[len(sizes) * quarter // 4] for quarter in (1, 2, 3)]
    labels = {doc: _QUARTERS[sum(lengths[doc] >= bound for bound in bounds)] for doc in known}
    parts = {name: _parts(values, labels).get(name, []) for name in _QUARTERS}
    parts = {name: places for name, places in parts.items() if places}
    if len(parts) < 2:
        return None
    return _breakdown(row, "length", "characters of the question", values, parts, seed)


def is_reversed(whole: float, strata: Sequence[Stratum]) -> bool:
    """Tell whether the whole goes one way and every part that moves goes the other."""
    moved = [part.delta for part in strata if part.delta]
    return bool(whole and moved) and all((delta > 0) != (whole > 0) for delta in moved)


def reported_delta(row: TaskComparison) -> float:
    """Return the difference of the scores as they were reported: each over its side's own items."""
    if row.base_reported is None or row.candidate_reported is None:
        return row.delta
    return row.candidate_reported - row.base_reported


def _reported(
    reported: Sequence[ResultsDocument], name: str, members: Sequence[TaskComparison]
) -> float:
    """Return the difference of a group's own scores; where it has none, that of its items."""
    metric, filter_name = members[0].metric, members[0].filter or NO_FILTER
    values = []
    for results in reported:
        group = results.groups.get(name)
        found = group.find(metric, filter_name) if group else None
        if found is None or found.value is None:
            return stratum(name, members).delta
        values.append(found.value)
    base, candidate = values
    return candidate - base


def _parts(values: Values, labels: Mapping[int, str]) -> dict[str, list[int]]:
    """Return label → places among the values."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, doc in enumerate(values.doc_ids):
        if doc in labels:
            found[labels[doc]].append(place)
    return dict(found)


def _breakdown(
    row: TaskComparison,
    cut: Cut,
    by: str,
    values: Values,
    parts: Mapping[str, Sequence[int]],
    seed: int,
) -> Breakdown:
    order = parts if cut == "length" else sorted(parts, key=lambda name: (-len(parts[name]), name))
    strata = tuple(_stratum(row, name, values, parts[name], seed) for name in order)
    return Breakdown(row.task, cut, by, strata, is_reversed(reported_delta(row), strata))


def _stratum(
    row: TaskComparison, name: str, values: Values, places: Sequence[int], seed: int
) -> Stratum:
    base = [values.base[place] for place in places]
    candidate = [values.candidate[place] for place in places]
    n = len(places)
    differences = [other - one for one, other in zip(base, candidate, strict=True)]
    if row.b is not None:
        b = sum(difference < 0 for difference in differences)
        c = sum(difference > 0 for difference in differences)
        found = proportions.paired_interval(b, c, n)
    else:
        found = graded.mean_interval(differences, seed)
    return Stratum(
        name=name,
        n=n,
        base=sum(base) / n,
        candidate=sum(candidate) / n,
        delta=sum(differences) / n,
        interval=Interval(found.low, found.high),
        ratio=row.ratio,
    )
