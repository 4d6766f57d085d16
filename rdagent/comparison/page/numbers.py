"""How the page writes numbers: percent and points with two decimals, a true minus sign.

The words are ``wording``'s; only the sign, which has a width of its own in a table, differs.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdagent.comparison import wording
from rdagent.comparison.page.markup import Cell, Markup, hidden, join
from rdagent.comparison.report import Interval, Stratum, TaskComparison

NOTHING = "–"


def signed(text: str) -> str:
    """Return a number's text with a minus sign in place of a hyphen."""
    return text.replace("-", "\N{MINUS SIGN}")


def value(share: float, *, ratio: bool = True) -> str:
    """Return a score."""
    return signed(f"{100 * share:.2f}%" if ratio else f"{share:.4f}")


def difference(delta: float, *, ratio: bool = True) -> str:
    """Return a difference in points; in the metric's own unit where that is no share."""
    text = f"{100 * delta:+.2f}" if ratio else f"{delta:+.4f}"
    return signed(text) if text.strip("+-0.") else text.lstrip("+-")


def interval(found: Interval | None, *, ratio: bool = True) -> str:
    """Return both ends of an interval; a dash where there is none."""
    if found is None:
        return NOTHING
    return f"{difference(found.low, ratio=ratio)} to {difference(found.high, ratio=ratio)}"


def interval_of(row: TaskComparison) -> Interval | None:
    """Return a row's interval."""
    if row.ci_low is None or row.ci_high is None:
        return None
    return Interval(row.ci_low, row.ci_high)


def with_unit(row: TaskComparison) -> str:
    """Return a row's difference with its unit."""
    return difference(row.delta, ratio=row.ratio) + (" points" if row.ratio else "")


def absent(why: str = "not known") -> Cell:
    """Return a cell that says that there is no number."""
    return Cell(join([Markup(f'<span aria-hidden="true">{NOTHING}</span>'), hidden(why)]))


def p_value(p: float | None) -> Cell:
    """Return a p-value, or a dash."""
    return absent("not tested") if p is None else Cell(wording.p_text(p), p)


def are_shares(strata: Sequence[Stratum]) -> bool:
    """Tell whether parts can be written in percent."""
    return all(part.ratio for part in strata)
