"""The interval of a weighted mean of differences, from the intervals of its parts.

The mean's end is where the parts' evidence against it adds up to what one part's own end
has.  A part that is known by its interval alone moves in proportion (the method of variance
estimates recovery); one whose table of right and wrong is known moves as its score test
allows.  Parts without a disagreement do not shrink the whole to a point.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from rdagent.statistics.interval import Interval
from rdagent.statistics.proportions import CORRECTION, highest


@dataclass(frozen=True, slots=True)
class Table:
    """Items the base alone got right, the candidate alone, and all."""

    b: int
    c: int
    n: int


@dataclass(frozen=True, slots=True)
class Part:
    """One task's difference and its interval."""

    delta: float
    interval: Interval
    #: Where delta is (c - b) / n of independent items.  Without it the mean of many small
    #: tasks gets an interval that is too wide.
    table: Table | None = None

    @property
    def mirrored(self) -> Part:
        """The same with the models swapped."""
        table = self.table and Table(self.table.c, self.table.b, self.table.n)
        return Part(-self.delta, Interval(-self.interval.high, -self.interval.low), table)


def weighted(parts: Sequence[Part], weights: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the interval of the weighted mean; the parts share no items.

    Weights need not add up to one: ones give the mean over tasks, numbers of items the mean
    over items.  ``confidence`` is that of the parts' intervals.
    """
    total = math.fsum(weights)
    if len(parts) != len(weights) or total <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("weights are one for each part, none is negative, and one is above 0")
    shares = [weight / total for weight in weights]
    mean = math.fsum(share * part.delta for share, part in zip(shares, parts, strict=True))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    below = _reach([part.mirrored for part in parts], shares, z)
    return Interval(mean - below, mean + _reach(parts, shares, z))


def _reach(parts: Sequence[Part], shares: Sequence[float], z: float) -> float:
    """Return how far above its estimate the mean may lie."""
    own = [
        share * (part.interval.high - part.delta) for part, share in zip(parts, shares, strict=True)
    ]
    together = math.hypot(*own)
    if not together:
        return 0.0
    # A part's squared share of the evidence is its share of the variance.
    return math.fsum(
        share * _moved(part, each / together, z)
        for part, share, each in zip(parts, shares, own, strict=True)
    )


def _moved(part: Part, evidence: float, z: float) -> float:
    if part.table is None:
        return evidence * (part.interval.high - part.delta)
    table = part.table
    # The more parts, the finer the steps of the mean, and the less there is to correct.
    correction = CORRECTION * evidence**2
    return highest(table.b, table.c, table.n, evidence * z, correction) - part.delta
