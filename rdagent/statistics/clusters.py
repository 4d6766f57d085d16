"""Items that hang together: questions on one passage, translations of one question.

Such items err together, so they tell less than as many that stand alone.  What counts here
is the number of clusters; the mean is still over items.  ``graded`` is for items that are
each a cluster of their own.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rdagent.statistics.graded import Numbers, finite, is_scarce, sign_flip_p, spread_interval
from rdagent.statistics.interval import Interval

#: With fewer clusters a p-value does not rest on Student's approximation.
FEW = 30


@dataclass(frozen=True, slots=True)
class Clustered:
    """A mean difference whose error allows for clusters."""

    mean: float
    #: The cluster-robust error with the factor G / (G - 1), as regression packages give it;
    #: None, as the interval and p are, where all items are in one cluster.
    se: float | None
    #: Of the interval: G - 1 for clusters of one size, fewer where sizes differ.
    df: float
    interval: Interval | None
    p: float | None
    clusters: int
    test: str


def clustered(
    differences: Sequence[float],
    clusters: Sequence[Hashable],
    seed: int,
    confidence: float = 0.95,
) -> Clustered:
    """Return mean, error, interval and p-value of differences, the cluster of each beside it.

    The interval is Student's with the error that comes of leaving one cluster out at a time:
    that is ``se`` where clusters have one size, and more where they have not.  Fewer than 30
    clusters are tested by turning the signs of whole clusters at random, more by the interval.
    """
    values = finite(differences)
    if not values.size or values.size != len(clusters):
        raise ValueError(f"{values.size} differences and {len(clusters)} clusters")
    n, mean = values.size, math.fsum(values) / values.size
    sizes, sums = _totals(values, clusters)
    count = sums.size
    if count < 2:
        return Clustered(mean, None, 0.0, None, None, count, "none: one cluster")
    residues = sums - sizes * mean
    se = math.sqrt(count / (count - 1) * float(residues @ residues)) / n
    left_out = residues / (n - sizes)
    error = math.sqrt((count - 1) / count * float(left_out @ left_out))
    df = n * n / float(sizes @ sizes) - 1
    interval = _interval(mean, error, df, sums * (count / n), confidence)
    if count < FEW or error <= 1e-9 * abs(mean):
        p, test = sign_flip_p(sums.tolist(), seed), "cluster sign-flip"
    else:
        p, test = _student_p(mean / error, df), "cluster-robust t"
    return Clustered(mean, se, df, interval, p, count, test)


def _totals(values: Numbers, clusters: Sequence[Hashable]) -> tuple[Numbers, Numbers]:
    """Return how many items each cluster has, and the sum of their differences."""
    import numpy as np

    numbers: dict[Hashable, int] = {}
    of = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    return np.bincount(of).astype(float), np.bincount(of, weights=values)


def _interval(mean: float, error: float, df: float, sums: Numbers, confidence: float) -> Interval:
    """``sums`` are those of the clusters, scaled so that their mean is that of the items."""
    from scipy.special import stdtrit

    half = float(stdtrit(df, (1 + confidence) / 2)) * error
    if not is_scarce(sums):
        return Interval(mean - half, mean + half)
    widest = spread_interval(sums, confidence)
    return Interval(min(mean - half, widest.low), max(mean + half, widest.high))


def _student_p(t: float, df: float) -> float:
    from scipy.special import stdtr

    return 2 * float(stdtr(df, -abs(t)))
