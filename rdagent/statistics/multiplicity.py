"""Many tests at once: p-values that allow for how many chances there were to be wrong.

Holm is for decisions: the chance of a single false claim among all stays under the level.
Benjamini and Hochberg is for lists to explore: of what it names, that share may be false.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def holm(ps: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given; any dependence is allowed."""
    order = _ascending(ps)
    steps = [min(1.0, (len(ps) - rank) * ps[place]) for rank, place in enumerate(order)]
    return _placed(order, accumulate(steps, max))


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Return the q-values of Benjamini and Hochberg, in the order given.

    They hold for independent tests and for tests that tend to err together, as tasks do that
    are answered by the same model.
    """
    order = _ascending(ps)[::-1]
    steps = [min(1.0, len(ps) * ps[place] / (len(ps) - i)) for i, place in enumerate(order)]
    return _placed(order, accumulate(steps, min))


def _ascending(ps: Sequence[float]) -> list[int]:
    if any(not 0 <= p <= 1 for p in ps):
        raise ValueError(f"p-values lie between 0 and 1: {list(ps)}")
    return sorted(range(len(ps)), key=ps.__getitem__)


def _placed(order: Sequence[int], values: accumulate[float]) -> list[float]:
    placed = [1.0] * len(order)
    for place, value in zip(order, values, strict=True):
        placed[place] = value
    return placed
