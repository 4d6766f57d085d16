"""Tango's score interval for the difference of two shares right, measured on the same items.

The multinomial of (base right only, candidate right only, neither) is asked for every
difference that it would not reject.  So the interval has a width where nothing was seen to
differ, and stays within -1 and 1.  A quarter of an item is added on either side: without it
coverage falls to 93 % for some sizes under 150; by 300 items it hardly shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

from rdagent.statistics.interval import Interval

#: Continuity correction in items; a half would be the full one, and too wide from 300 items.
CORRECTION = 0.25
_HALVINGS = 52


def paired_interval(b: int, c: int, n: int, confidence: float = 0.95) -> Interval:
    """Return the interval of (c - b) / n; ``b``: base alone right, ``c``: candidate alone."""
    return score_interval(b, c, n, confidence)


def score_interval(b: float, c: float, n: int, confidence: float = 0.95) -> Interval:
    """Return the same where losses and gains are sums of parts of an item.

    For scores that move by at most one this is wider than needed: of all scores with these
    sums, right or wrong alone has the largest variance.
    """
    if n < 1 or b < 0 or c < 0 or b + c > n * (1 + 1e-12):
        raise ValueError(f"{b} and {c} are no counts of disagreement among {n} items")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence is between 0 and 1, not {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    # The lower end for (b, c) is the upper end for (c, b), mirrored.
    return Interval(-highest(c, b, n, z, CORRECTION), highest(b, c, n, z, CORRECTION))


def highest(b: float, c: float, n: int, z: float, correction: float) -> float:
    """Return the largest difference that is at most ``z`` of its own errors away."""

    def holds(difference: float) -> bool:
        distance = n * difference - (c - b) - correction
        return distance <= z * math.sqrt(_variance(b, c, n, difference))

    return _last(holds, (c - b) / n, 1.0)


def _variance(b: float, c: float, n: int, difference: float) -> float:
    """Return the variance of c - b, were the difference true: at the likeliest shares."""
    linear = (2 * n - c + b) * difference - b - c
    constant = -b * difference * (1 - difference)
    root = math.sqrt(max(0.0, linear * linear - 8 * n * constant))
    loses = (root - linear) / (4 * n)
    return max(0.0, n * (2 * loses + difference * (1 - difference)))


def _last(holds: Callable[[float], bool], start: float, end: float) -> float:
    """Return the last point between two for which something holds, as it does at the start."""
    if holds(end):
        return end
    for _ in range(_HALVINGS):
        middle = (start + end) / 2
        if holds(middle):
            start = middle
        else:
            end = middle
    return end
