"""Graded scores, compared item by item: a test without a distribution, and an interval.

The test turns the sign of each item's difference at random: if the models were alike, either
could have had either score.  ``clusters`` uses it where items hang together; scores that are
right or wrong alone have ``mcnemar`` and ``proportions``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from rdagent.statistics.interval import Interval
from rdagent.statistics.proportions import score_interval

if TYPE_CHECKING:
    import numpy as np

#: A row of floats; numpy is loaded when a function needs it.
Numbers: TypeAlias = "np.ndarray"

#: Up to so many items that differ, all ways of turning signs are tried.
ENUMERATED = 16
#: With fewer items off the usual value, a bootstrap cannot know what it has not seen; with
#: fewer the test cannot reject at 5 % either.
FEW = 6
#: Sums that differ by less than this share of all there is are equal.
_TIE = 1e-12
#: Numbers held at a time.
_HELD = 2_000_000


def sign_flip_p(differences: Sequence[float], seed: int, draws: int = 10_000) -> float:
    """Return the two-sided p-value of the mean difference.

    Exact for up to 16 differences that are not zero, otherwise (k + 1) / (draws + 1) with k
    of the drawn means at least as far from zero.  The order of items does not matter.
    """
    import numpy as np

    values = finite(differences)
    observed, sizes = abs(math.fsum(values)), np.sort(np.abs(values[values != 0]))
    if not sizes.size:
        return 1.0
    least = observed - _TIE * float(sizes.sum())
    if sizes.size <= ENUMERATED:
        return float(np.mean(np.abs(_all_sums(sizes)) >= least))
    extreme = np.count_nonzero(np.abs(_drawn_sums(sizes, seed, draws)) >= least)
    return (int(extreme) + 1) / (draws + 1)


def _all_sums(sizes: Numbers) -> Numbers:
    import numpy as np

    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate((sums + size, sums - size))
    return sums


def _drawn_sums(sizes: Numbers, seed: int, draws: int) -> Numbers:
    """Sum with random signs: a random byte is the signs of eight, looked up in a table."""
    import numpy as np

    random = np.random.default_rng(seed)
    signs = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    eights = np.pad(sizes, (0, -sizes.size % 8)).reshape(-1, 8)
    sums, step = np.zeros(draws), max(1, _HELD // draws)
    for start in range(0, len(eights), step):
        tables = eights[start : start + step] @ signs.T
        drawn = random.integers(0, 256, size=(len(tables), draws), dtype=np.uint8)
        for table, row in zip(tables, drawn, strict=True):
            sums += table.take(row)
    return sums


def mean_interval(
    differences: Sequence[float],
    seed: int,
    confidence: float = 0.95,
    draws: int = 2_000,
    *,
    span: float = 1.0,
) -> Interval:
    """Return the interval of the mean difference; swapping the models mirrors it.

    The wider of a studentized bootstrap and Student's interval.  Where most differences are
    equal and fewer than six are not, neither knows what it has not seen: then the interval is
    that of scores that move by up to ``span``, or by the largest difference if that is more.
    So equal differences, all zeros included, do not make a point.
    """
    import numpy as np

    values = np.sort(finite(differences))
    if not values.size:
        raise ValueError("an interval needs at least one difference")
    if math.fsum(values) < 0:
        mirrored = mean_interval((-values).tolist(), seed, confidence, draws, span=span)
        return Interval(-mirrored.high, -mirrored.low)
    if is_scarce(values):
        return spread_interval(values, confidence, span)
    return _studentized(values, seed, confidence, draws)


def is_scarce(values: Numbers) -> bool:
    """Return whether most values are one and the same, and fewer than six are not."""
    import numpy as np

    others = np.count_nonzero(values != np.median(values))
    return bool(others < FEW and 2 * others <= values.size)


def spread_interval(values: Numbers, confidence: float, span: float = 1.0) -> Interval:
    """Return the interval were every score as far apart as the span lets it be."""
    import numpy as np

    span = max(span, float(np.max(np.abs(values))))
    losses, gains = (float(np.maximum(way * values / span, 0).sum()) for way in (-1, 1))
    shares = score_interval(losses, gains, values.size, confidence)
    return Interval(span * shares.low, span * shares.high)


def _studentized(values: Numbers, seed: int, confidence: float, draws: int) -> Interval:
    import numpy as np
    from scipy.special import stdtrit

    n, mean = values.size, math.fsum(values) / values.size
    error = float(values.std(ddof=1)) / math.sqrt(n)
    tail = (1 - confidence) / 2
    below, above = np.quantile(_bootstrap_t(values - mean, seed, draws), (tail, 1 - tail))
    student = float(stdtrit(n - 1, 1 - tail))
    return Interval(
        mean - max(float(above), student) * error, mean + max(-float(below), student) * error
    )


def _bootstrap_t(centred: Numbers, seed: int, draws: int) -> Numbers:
    """Return how many of its own standard errors each resampled mean is from zero."""
    import numpy as np

    random, n = np.random.default_rng(seed), centred.size
    rows, least = max(1, _HELD // n), 1e-6 * float(centred.std())
    found: list[Numbers] = []
    for start in range(0, draws, rows):
        size = (min(rows, draws - start), n)
        drawn: Numbers = centred.take(random.integers(0, n, size=size), mode="wrap")
        means = drawn.mean(axis=1)
        squares = np.einsum("ij,ij->i", drawn, drawn) / n - means**2
        spread = np.sqrt(np.maximum(squares, 0))
        # A resample without spread tells nothing on how far off its mean is.
        off = np.divide(means, spread, out=np.zeros_like(means), where=spread > least)
        found.append(off * math.sqrt(n - 1))
    together: Numbers = np.concatenate(found)
    return together


def finite(differences: Sequence[float]) -> Numbers:
    """Return the differences as a row, without the noise of the last digits."""
    import numpy as np

    values = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a difference is not a finite number")
    rounded: Numbers = values.round(12)
    return rounded
