"""How numbers are written for people: points, intervals, p-values.

Every renderer uses these, so that one number reads the same everywhere.
"""

from __future__ import annotations

from rdagent.comparison.report import TaskComparison


def points(share: float, *, signed: bool = False) -> str:
    """Return a share as percentage points with two decimals, without needless zeros."""
    value = 100 * share
    text = f"{value:+.2f}" if signed else f"{value:.2f}"
    return text if signed else text.removesuffix(".00")


def value_text(row: TaskComparison, value: float) -> str:
    """Return a score: percent where it is a share of one."""
    return f"{100 * value:.2f}%" if row.ratio else f"{value:.4f}"


def delta_text(row: TaskComparison) -> str:
    """Return the difference, signed."""
    return f"{100 * row.delta:+.2f}%" if row.ratio else f"{row.delta:+.4f}"


def interval_text(row: TaskComparison) -> str:
    """Return the interval of the difference; empty where there is none."""
    if row.ci_low is None or row.ci_high is None:
        return ""
    scale, digits = (100, 2) if row.ratio else (1, 4)
    return f"{scale * row.ci_low:+.{digits}f} to {scale * row.ci_high:+.{digits}f}"


def p_text(p: float) -> str:
    """Return a p-value with as many digits as mean something."""
    if p < 0.0001:
        return "<0.0001"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_said(p: float) -> str:
    """Return a p-value as a statement."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def flips_text(row: TaskComparison) -> str:
    """Return how many items went either way; empty for graded scores."""
    if row.b is None or row.c is None:
        return ""
    return f"+{row.c} -{row.b}"


def metric_text(row: TaskComparison) -> str:
    """Return the metric's name with its filter."""
    return row.metric if row.filter is None else f"{row.metric},{row.filter}"
