"""The smallest difference that a comparison would find, and the items that one needs.

For right and wrong the power of the exact test is computed, not approximated: the number of
disagreements is binomial, and so is the share of them that the better model wins.  The test
is cautious with few items, which the usual formula does not know of.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Any

LEVEL, POWER = 0.05, 0.80
#: Two models that are much alike disagree on about so many items.
DISAGREEMENT = 0.2
_HALVINGS = 30


def planned(
    n: int, disagreement: float = DISAGREEMENT, alpha: float = LEVEL, power: float = POWER
) -> float:
    """Return the smallest difference that ``n`` paired items show in ``power`` of repetitions.

    The models are taken to disagree on ``disagreement`` of the items, or on as many as the
    difference itself, if that is larger: then the better model wins every one.  1 where not
    even a difference of 1 would show, as for five items.
    """
    return _smallest(n, disagreement, alpha, power) or 1.0


def achieved(b: int, c: int, n: int, alpha: float = LEVEL, power: float = POWER) -> float | None:
    """Return the same with the disagreement that was found; None where nothing would show.

    It never falls under the difference at which six items would differ, all one way, in
    ``power`` of repetitions: about 7.9 / n.  So few or no disagreements do not promise that
    anything would be seen, and nothing smaller than what could hide behind them (at 95 %,
    under 3 / n for none) is called detectable.
    """
    return _smallest(n, (b + c) / n, alpha, power) if n else None


def achieved_graded(sd: float, n: int, alpha: float = LEVEL, power: float = POWER) -> float | None:
    """Return the same for graded scores whose differences have this standard deviation.

    None where no sign-flip test could reach the level.  Differences that were all equal tell
    nothing on their spread: then as for right and wrong with no disagreement.
    """
    if n < _fewest(alpha):
        return None
    if sd == 0:
        return _smallest(n, 0.0, alpha, power)
    from scipy.special import stdtrit

    quantiles = float(stdtrit(n - 1, 1 - alpha / 2)) + float(stdtrit(n - 1, power))
    return quantiles * sd / math.sqrt(n)


def needed(
    effect: float,
    disagreement: float = DISAGREEMENT,
    alpha: float = LEVEL,
    power: float = POWER,
) -> int:
    """Return how many paired items show a difference of ``effect``."""
    if not 0 < effect <= 1:
        raise ValueError(f"a difference to be found is above 0 and at most 1, not {effect}")
    share = max(effect, disagreement)
    low, high = 0, _fewest(alpha)
    while power_of(high, share, effect, alpha) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if power_of(middle, share, effect, alpha) < power:
            low = middle
        else:
            high = middle
    return high


def unpaired(n: int, alpha: float = LEVEL, power: float = POWER) -> float:
    """Return what two runs of ``n`` items each show that share none, at worst: near a half."""
    if not n:
        return 1.0
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)
    return min(1.0, quantiles * math.sqrt(0.5 / n))


def power_of(n: int, disagreement: float, effect: float, alpha: float = LEVEL) -> float:
    """Return how often the exact test finds that the better model is better."""
    import numpy as np
    from scipy.special import bdtr, gammaln, xlog1py, xlogy

    spread = 8 * math.sqrt(n * disagreement * (1 - disagreement)) + 8
    centre = n * disagreement
    m = np.arange(max(0, int(centre - spread)), min(n, int(centre + spread)) + 1)
    ways = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    weights = np.exp(ways + xlogy(m, disagreement) + xlog1py(n - m, -disagreement))
    most = most_losses(m, alpha)
    loses = (1 - effect / disagreement) / 2
    found = np.where(most >= 0, bdtr(np.maximum(most, 0), m, loses), 0.0)
    return float(weights @ found)


def most_losses(m: Any, alpha: float) -> Any:
    """Return how many of ``m`` disagreements may be lost with the test still rejecting."""
    import numpy as np
    from scipy.special import bdtr

    z = NormalDist().inv_cdf(1 - alpha / 2)
    most = np.minimum(m, np.floor((m - z * np.sqrt(m)) / 2) + 1)
    while True:
        too_many = (most >= 0) & (bdtr(np.maximum(most, 0), m, 0.5) > alpha / 2)
        if not too_many.any():
            return np.maximum(most, -1)
        most = most - too_many


def _fewest(alpha: float) -> int:
    """Return how many disagreements it takes, all one way, for the test to reject."""
    return math.ceil(math.log2(2 / alpha))


@lru_cache(maxsize=4096)
def _smallest(n: int, disagreement: float, alpha: float, power: float) -> float | None:
    if n < _fewest(alpha):
        return None
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if power_of(n, max(middle, disagreement), middle, alpha) < power:
            low = middle
        else:
            high = middle
    return high
