"""McNemar's exact test: does one model win more of the items on which the two disagree.

Items that both got right, or both wrong, say nothing on the difference and are left out.
``proportions`` has the interval that goes with it, ``multiplicity`` corrects many of them.
"""

from __future__ import annotations


def exact_p(b: int, c: int) -> float:
    """Return the two-sided p-value of ``b`` losses against ``c`` wins; 1 where there are none.

    Guaranteed to be wrong at most as often as the level says, for any number of items; with
    fewer than six disagreements it cannot fall under 0.05.
    """
    if b < 0 or c < 0:
        raise ValueError(f"counts of items are not negative: {b}, {c}")
    if b == c:
        return 1.0
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5)))
