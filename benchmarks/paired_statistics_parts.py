"""What ``paired_statistics`` draws: made-up pairs of models whose true difference is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from rdagent.statistics.interval import Interval
from rdagent.statistics.proportions import paired_interval

#: Eighteen tasks at a fifth of their documents: WinoGrande, GSM8K, MATH, 14 subjects of MMLU,
#: and DROP, which is graded and comes last.
TASKS = (254, 264, 1000, 20, 29, 20, 20, 20, 21, 76, 62, 41, 20, 54, 31, 44, 23, 1908)
#: How often two models disagree, and by how much they differ.
DISAGREEMENTS = (0.05, 0.07, 0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50)
EFFECTS = (0.0, 0.02, 0.05, 0.08, 0.10, 0.15, 0.20, 0.25, 0.30)


@dataclass(frozen=True, slots=True)
class Setting:
    """How often a base alone is right, and a candidate alone."""

    disagreement: float
    effect: float

    @property
    def loses(self) -> float:
        return (self.disagreement - self.effect) / 2

    @property
    def wins(self) -> float:
        return (self.disagreement + self.effect) / 2


def settings() -> list[Setting]:
    """Return every disagreement with every difference that it allows."""
    return [Setting(d, e) for d in DISAGREEMENTS for e in EFFECTS if e <= d]


def binary_coverage(n: int, setting: Setting, interval: Callable[..., Interval]) -> float:
    """Add up the chances of all tables whose interval holds the true difference."""
    covered = total = 0.0
    for b, chance_b in _binomial(n, setting.loses):
        rest = n - b
        for c, chance_c in _binomial(rest, setting.wins / (1 - setting.loses)):
            chance = chance_b * chance_c
            total += chance
            found = interval(b, c, n)
            if found.low - 1e-9 <= setting.effect <= found.high + 1e-9:
                covered += chance
    assert total > 1 - 1e-5, total
    return covered + (1 - total)


def _binomial(n: int, share: float) -> Iterator[tuple[int, float]]:
    """Yield each count with its chance, those under 1e-7 of all left out."""
    spread = 5.4 * math.sqrt(n * share * (1 - share)) + 6
    for k in range(max(0, int(n * share - spread)), min(n, int(n * share + spread)) + 1):
        if share in {0.0, 1.0}:
            chance = float(k == n * share)
        else:
            ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            chance = math.exp(ways + k * math.log(share) + (n - k) * math.log1p(-share))
        if chance > 1e-10:
            yield k, chance


@lru_cache(maxsize=1_000_000)
def product(b: int, c: int, n: int) -> Interval:
    """The interval that reports show."""
    return paired_interval(b, c, n)


def wald(b: int, c: int, n: int) -> Interval:
    """The interval of most textbooks."""
    half = 1.959964 * math.sqrt(b + c - (c - b) ** 2 / n) / n
    return Interval((c - b) / n - half, (c - b) / n + half)


def f1(random: Generator, n: int) -> np.ndarray:
    """Answers of which three in five score alike, the rest between nothing and all."""
    changed = random.random(n) < 0.4
    scores = []
    for zero, one in ((0.30, 0.50), (0.25, 0.52)):
        kind = random.random(n)
        partly = random.beta(2, 2, n)
        scores.append(np.where(kind < zero, 0.0, np.where(kind < one, 1.0, partly)))
    return np.where(changed, scores[1] - scores[0], 0.0)


def rouge(random: Generator, n: int) -> np.ndarray:
    """Two texts that always differ a little."""
    return random.beta(3, 6, n) - random.beta(3, 6.5, n)


def averaged(random: Generator, n: int) -> np.ndarray:
    """Four samples an item, right or wrong, averaged first."""
    base = random.beta(0.5, 0.5, n)
    tuned = np.clip(base + random.normal(0.03, 0.1, n), 0, 1)
    return (random.binomial(4, tuned) - random.binomial(4, base)) / 4


def one_sided(random: Generator, n: int) -> np.ndarray:
    """A quarter of the answers gets better, none gets worse."""
    return np.where(random.random(n) < 0.25, random.beta(2, 5, n), 0.0)


def sparse(random: Generator, n: int) -> np.ndarray:
    """One answer in five changes, three of five for the better."""
    sign = np.where(random.random(n) < 0.6, 1, -1)
    return np.where(random.random(n) < 0.2, random.beta(2, 2, n) * sign, 0.0)


def rare(random: Generator, n: int) -> np.ndarray:
    """One answer in twenty changes."""
    sign = np.where(random.random(n) < 0.6, 1, -1)
    return np.where(random.random(n) < 0.05, random.beta(2, 2, n) * sign, 0.0)


GRADED = {each.__name__: each for each in (f1, rouge, averaged, one_sided, sparse, rare)}


def truth(draw: Callable[[Generator, int], np.ndarray]) -> float:
    """Return the mean of what a function draws, to within 0.0002."""
    random = np.random.default_rng(0)
    return float(np.mean([draw(random, 1_000_000).mean() for _ in range(8)]))


#: Sizes of clusters: the smallest and the largest.
CLUSTERS = {"5 each": (5, 5), "1 to 15": (1, 15), "2 to 60": (2, 60)}


def clustered_items(
    random: Generator, clusters: int, sizes: tuple[int, int], *, binary: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return differences without a true mean, and the cluster of each; correlation 0.3."""
    of = np.repeat(np.arange(clusters), random.integers(sizes[0], sizes[1] + 1, clusters))
    own = random.normal(0, math.sqrt(0.7), of.size)
    value = random.normal(0, math.sqrt(0.3), clusters)[of] + own
    if binary:
        return np.sign(value) * (np.abs(value) > 1.3), of
    return 0.2 * value, of
