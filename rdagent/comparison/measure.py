"""One metric of one task, base against candidate: means, interval, test, what could be found.

Right or wrong is tested exactly, graded scores by sign flips, clustered items by clusters.
The rows that come out have no verdict yet: ``verdicts`` looks at all of them together.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from rdagent.comparison.pairing import Pair, Pairing
from rdagent.comparison.report import FailureRates, Interval, Settings, TaskComparison
from rdagent.core.feedback import TaskScore
from rdagent.evaluation.results import MetricValue
from rdagent.statistics import clusters, detectable, graded, mcnemar, proportions

#: Intervals are of this level whatever level decisions are taken at.
CONFIDENCE = 0.95
#: Of the items without a partner so many are named.
_NAMED = 20
#: A base within so many standard errors of zero gives no meaningful share of it.
_ERRORS_OFF_ZERO = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """What a test found."""

    delta: float
    interval: Interval
    test: str
    p: float
    mde: float | None
    b: int | None = None
    c: int | None = None
    clusters: int | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """The items of both sides as numbers."""

    base: tuple[float, ...]
    candidate: tuple[float, ...]
    #: Document of each, to look up its cluster.
    doc_ids: tuple[int, ...]
    drawn: int

    @property
    def is_binary(self) -> bool:
        """Whether every value is right or wrong."""
        return all(value in (0.0, 1.0) for value in (*self.base, *self.candidate))


def untested(
    task: str, name: str, score: TaskScore, base: MetricValue, candidate: MetricValue, why: str
) -> TaskComparison:
    """Return the row of a task whose reported scores alone are known."""
    base_value, value = base.value or 0.0, candidate.value or 0.0
    row = TaskComparison(
        task=task,
        candidate_name=name,
        metric=score.metric,
        filter=score.filter,
        higher_is_better=score.higher_is_better,
        ratio=score.ratio,
        n=0,
        base=base_value,
        candidate=value,
        delta=value - base_value,
        ci_low=None,
        ci_high=None,
        b=None,
        c=None,
        test=None,
        p=None,
        p_holm=None,
        q_bh=None,
        mde=None,
        mde_planned=None,
        verdict="untested",
        reason=why,
        base_reported=base.value,
        candidate_reported=candidate.value,
        base_stderr=base.stderr,
        candidate_stderr=candidate.stderr,
    )
    return replace(row, relative=_relative(row.delta, base_value, base.stderr))


def with_items(
    row: TaskComparison,
    pairing: Pairing,
    values: Values,
    settings: Settings,
    labels: Mapping[int, Hashable] | None = None,
) -> TaskComparison:
    """Return an untested row with what its paired items show; without any it stays untested."""
    n = len(values.base)
    unpaired = [*pairing.only_base, *pairing.only_candidate]
    counted = replace(
        row,
        n=n,
        only_base=len(pairing.only_base),
        only_candidate=len(pairing.only_candidate),
        unpaired_ids=tuple(str(item.doc_id) for item in unpaired[:_NAMED]),
        without_number=len(pairing.pairs) - n,
        samples_per_item=values.drawn,
    )
    if n == 0:
        return replace(counted, reason="no item was answered by both with a number")
    base, candidate = _mean(values.base), _mean(values.candidate)
    found = _measure(values, row, settings, labels)
    if found is None:
        return replace(counted, reason="all items hang together in one cluster")
    return replace(
        counted,
        base=base,
        candidate=candidate,
        delta=found.delta,
        ci_low=found.interval.low,
        ci_high=found.interval.high,
        b=found.b,
        c=found.c,
        test=found.test,
        p=found.p,
        mde=found.mde,
        mde_planned=detectable.planned(n, alpha=settings.alpha, power=settings.power)
        if row.ratio
        else None,
        clusters=found.clusters,
        relative=_relative(found.delta, base, _error(values.base)),
        reason="",
    )


def values_of(pairs: Sequence[Pair], base_column: int, candidate_column: int) -> Values:
    """Return the pairs in which both sides have a number."""
    kept = [
        (pair, one, other)
        for pair in pairs
        if (one := pair.base.values[base_column]) is not None
        and (other := pair.candidate.values[candidate_column]) is not None
    ]
    return Values(
        base=tuple(one for _, one, _ in kept),
        candidate=tuple(other for _, _, other in kept),
        doc_ids=tuple(pair.base.doc_id for pair, _, _ in kept),
        drawn=max((max(pair.base.drawn, pair.candidate.drawn) for pair, _, _ in kept), default=1),
    )


def with_rates(
    row: TaskComparison, base: FailureRates | None, candidate: FailureRates | None
) -> TaskComparison:
    """Return a row with how often answers failed on either side."""
    return replace(
        row,
        base_rates=base or FailureRates(),
        candidate_rates=candidate or FailureRates(),
    )


def _measure(
    values: Values,
    row: TaskComparison,
    settings: Settings,
    labels: Mapping[int, Hashable] | None,
) -> Measured | None:
    """Return what the items show; None where all of them are one cluster."""
    differences = [other - one for one, other in zip(values.base, values.candidate, strict=True)]
    found = (
        _right_or_wrong(values, row, settings)
        if values.is_binary
        else _graded(differences, settings)
    )
    if labels is None:
        return found
    keys = [labels.get(doc_id, ("alone", doc_id)) for doc_id in values.doc_ids]
    grouped = clusters.clustered(differences, keys, settings.seed, confidence=CONFIDENCE)
    if grouped.p is None or grouped.interval is None or grouped.se is None:
        return None
    return replace(
        found,
        interval=Interval(grouped.interval.low, grouped.interval.high),
        test=grouped.test,
        p=grouped.p,
        # Degrees of freedom follow the clusters, not the items.
        mde=detectable.achieved_graded(
            grouped.se * math.sqrt(grouped.clusters),
            grouped.clusters,
            settings.alpha,
            settings.power,
        ),
        clusters=grouped.clusters,
    )


def _right_or_wrong(values: Values, row: TaskComparison, settings: Settings) -> Measured:
    """Test counts of flips; where less is better, 0 is right."""
    right = 1.0 if row.higher_is_better else 0.0
    pairs = list(zip(values.base, values.candidate, strict=True))
    b = sum(one == right and other != right for one, other in pairs)
    c = sum(one != right and other == right for one, other in pairs)
    n = len(pairs)
    interval = proportions.paired_interval(b, c, n, confidence=CONFIDENCE)
    low, high = interval.low, interval.high
    if not row.higher_is_better:
        low, high = -high, -low
    delta = (c - b) / n
    return Measured(
        delta=delta if row.higher_is_better else -delta,
        interval=Interval(low, high),
        test="mcnemar exact",
        p=mcnemar.exact_p(b, c),
        mde=detectable.achieved(b, c, n, settings.alpha, settings.power),
        b=b,
        c=c,
    )


def _graded(differences: Sequence[float], settings: Settings) -> Measured:
    n = len(differences)
    interval = graded.mean_interval(differences, settings.seed, confidence=CONFIDENCE)
    spread = _error(differences)
    return Measured(
        delta=_mean(differences),
        interval=Interval(interval.low, interval.high),
        test="sign flips",
        p=graded.sign_flip_p(differences, settings.seed),
        mde=None
        if spread is None
        else detectable.achieved_graded(spread * math.sqrt(n), n, settings.alpha, settings.power),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _error(values: Sequence[float]) -> float | None:
    """Return the standard error of a mean."""
    n = len(values)
    if n < 2:
        return None
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)


def _relative(delta: float, base: float, error: float | None) -> float | None:
    if base <= 0 or (error is not None and base < _ERRORS_OFF_ZERO * error):
        return None
    return delta / base
