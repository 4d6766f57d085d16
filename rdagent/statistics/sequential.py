"""A test that may be looked at after every item and stopped at any time.

It bets on which model wins the next item they disagree on; the stake starts at one and is
``e``.  If both win equally often, the chance that it *ever* reaches 1 / alpha is at most
alpha, however often one looks.  The standard library alone: this runs inside images too.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Literal

from rdagent.statistics.interval import Interval

Decision = Literal["improved", "regressed"]
_LARGEST = math.log(sys.float_info.max)
_HALVINGS = 60


def e_value(b: int, c: int) -> float:
    """Return the evidence of ``b`` losses and ``c`` wins against a fair coin.

    The likelihood averaged over all shares of wins, over that of a half:
    2^m / ((m + 1) * C(m, b)) with m = b + c.  Beyond the largest float it stays there.
    """
    return math.exp(min(_LARGEST, _log_e(b, c)))


def _log_e(b: int, c: int) -> float:
    return (b + c) * math.log(2) + _log_beta(b, c)


def _log_beta(b: int, c: int) -> float:
    return math.lgamma(b + 1) + math.lgamma(c + 1) - math.lgamma(b + c + 2)


class Sequential:
    """The test as it goes; items must come in an order that was drawn beforehand."""

    __slots__ = ("_decided", "_log_e", "_most", "alpha", "b", "c", "n")

    def __init__(self, alpha: float = 0.05) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"a level is between 0 and 1, not {alpha}")
        self.alpha = alpha
        #: Items the base alone got right, the candidate alone, and all.
        self.b = self.c = self.n = 0
        self._log_e = self._most = 0.0
        self._decided: Decision | None = None

    def add(self, base_right: bool, candidate_right: bool) -> None:
        """Take one item in; what was decided stays decided."""
        self.n += 1
        if base_right == candidate_right:
            return
        self.b += base_right
        self.c += candidate_right
        self._log_e = _log_e(self.b, self.c)
        self._most = max(self._most, self._log_e)
        if self._decided is None and self._log_e >= -math.log(self.alpha):
            self._decided = "improved" if self.c > self.b else "regressed"

    @property
    def e(self) -> float:
        """The evidence now."""
        return math.exp(min(_LARGEST, self._log_e))

    @property
    def p(self) -> float:
        """The p-value at any time: one over the most evidence there ever was."""
        return math.exp(-self._most)

    @property
    def decided(self) -> Decision | None:
        """What was decided when the evidence first sufficed; None as long as it did not."""
        return self._decided

    def interval(self) -> Interval:
        """Return the shares of wins among disagreements that are not ruled out.

        At no time in the whole run, with a chance of 1 - alpha, is the true one outside.
        """
        if not (m := self.b + self.c):
            return Interval(0.0, 1.0)
        most = _log_beta(self.b, self.c) + math.log(self.alpha)

        def kept(share: float) -> bool:
            return _log_power(share, self.c) + _log_power(1 - share, self.b) > most

        centre = self.c / m
        return Interval(_edge(kept, centre, 0.0), _edge(kept, centre, 1.0))


def _log_power(base: float, exponent: int) -> float:
    if not exponent:
        return 0.0
    return exponent * math.log(base) if base > 0 else -math.inf


def _edge(kept: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return where what is kept ends; ``inside`` is kept."""
    if kept(outside):
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if kept(middle):
            inside = middle
        else:
            outside = middle
    return outside
