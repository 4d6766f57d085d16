"""The differences of all tasks as one drawing: a point and its interval on a row each.

Computed here and written as SVG, so that it needs no script; once for a wide page and once
for a phone, where names stand above their lines.  Form and words carry the verdict as well as
colour; the numbers themselves are in the table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rdagent.comparison.page import numbers
from rdagent.comparison.page.markup import Markup, Place, listed, tag
from rdagent.comparison.report import CandidateReport, Settings, TaskComparison
from rdagent.files.printable import one_line

_TOP, _BOTTOM = 34, 44
_NAME_LIMIT = 34
#: About how wide a letter is.
_LETTER = 7.5
_STEPS = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Frame:
    """Where things stand in the drawing."""

    name: str
    width: float
    #: Between these lies the scale.
    left: float
    right: float
    row: float
    most_ticks: int
    #: Names and verdicts stand above their lines, not beside them.
    above: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps a difference to a place across the drawing."""

    low: float
    high: float
    step: float
    frame: Frame

    def x(self, value: float) -> float:
        """Return where a difference lies."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.frame.left + share * (self.frame.right - self.frame.left), 1)

    def ticks(self) -> list[float]:
        """Return the marked differences, zero among them."""
        first, last = round(self.low / self.step), round(self.high / self.step)
        return [number * self.step for number in range(first, last + 1)]


def scale(rows: Sequence[TaskComparison], margin: float, frame: Frame) -> Scale:
    """Return a scale that holds every interval, the margin and zero."""
    ends = [0.0, margin, -margin]
    for row in rows:
        ends += [end for end in (row.delta, row.ci_low, row.ci_high) if end is not None]
    low, high = min(ends), max(ends)
    step = next((one for one in _STEPS if (high - low) / one <= frame.most_ticks), _STEPS[-1])
    # A hair short of a whole step counts as one: 0.3 / 0.1 is 2.9999999999999996.
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(step * first, step * max(last, first + 1), step, frame)


def frames(rows: Sequence[TaskComparison]) -> tuple[Frame, Frame]:
    """Return the wide and the narrow layout."""
    longest = max((len(_name(row)) for row in rows), default=0)
    return (
        Frame("wide", 960, 24 + _LETTER * longest, 830, 30, most_ticks=8, above=False),
        Frame("narrow", 360, 14, 346, 46, most_ticks=4, above=True),
    )


def plot(one: CandidateReport, settings: Settings, place: Place) -> Markup:
    """Return the drawing, or the reason why there is none."""
    rows = [row for row in one.tasks if row.ratio]
    if not rows:
        return tag("p", "No task is a share of one, so no differences are drawn.", class_="muted")
    left_out = [row.task for row in one.tasks if not row.ratio]
    says = (
        "Each line is a 95% interval; the band is the margin within which models count as equal. "
        "▲ improved, ▼ regressed, ■ equivalent, ○ no evidence, ◇ underpowered, + untested. "
    )
    missing = tag("span", "Not drawn, being no shares of one: ", listed(left_out), ".")
    caption = tag("figcaption", says, missing if left_out else None, class_="small muted")
    drawn = [_svg(scale(rows, settings.margin, frame), rows, settings, place)
             for frame in frames(rows)]  # fmt: skip
    return tag("figure", *drawn, caption)


def _svg(found: Scale, rows: Sequence[TaskComparison], settings: Settings, place: Place) -> Markup:
    frame = found.frame
    height = _TOP + frame.row * len(rows) + _BOTTOM
    key = f"{place.prefix}plot-{frame.name}"
    parts = [
        tag("title", "Differences between candidate and base, with 95% intervals", id=f"{key}-t"),
        tag("desc", _description(rows), id=f"{key}-d"),
        *_ground(found, settings.margin, height),
    ]
    for number, row in enumerate(rows):
        parts.extend(_row(row, found, _TOP + frame.row * number))
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {frame.width} {height}",
        role="img",
        aria_labelledby=f"{key}-t {key}-d",
        class_=f"plot {frame.name}",
    )


def _description(rows: Sequence[TaskComparison]) -> str:
    told = [
        f"{one_line(row.task, 60)} {numbers.difference(row.delta)} points, {row.verdict}"
        for row in rows[:40]
    ]
    return "; ".join(told) + ". The table holds the same numbers."


def _ground(found: Scale, margin: float, height: float) -> Iterator[Markup]:
    """Yield the band, the lines of the scale and its words."""
    bottom = height - _BOTTOM
    left, right = found.x(-margin), found.x(margin)
    yield tag(
        "rect", x=left, y=_TOP, width=round(right - left, 1), height=bottom - _TOP, class_="band"
    )
    for value in found.ticks():
        x = found.x(value)
        kind = "zero" if abs(value) < found.step / 2 else "grid"
        yield tag("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_=kind)
        yield _words(_tick(value), x, bottom + 18, "tick", "middle")
    middle = (found.frame.left + found.frame.right) / 2
    yield _words("difference in points", middle, height - 6, "tick", "middle")
    yield _words("← base higher", found.x(0) - 8, 20, "tick", "end")
    yield _words("candidate higher →", found.x(0) + 8, 20, "tick")


def _words(text: str, x: float, y: float, kind: str, anchor: str | None = None) -> Markup:
    return tag("text", text, x=x, y=y, text_anchor=anchor, class_=kind)


def _tick(value: float) -> str:
    text = f"{100 * value:+.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("+0", "-0") else numbers.signed(text)


def _row(row: TaskComparison, found: Scale, top: float) -> Iterator[Markup]:
    """Yield a task's name, its interval with the mark, and its verdict."""
    frame = found.frame
    kind = row.verdict.replace(" ", "-")
    if frame.above:
        y = top + frame.row - 12
        yield _words(_name(row), 0, top + 17, "name over")
        yield _words(row.verdict, frame.width, top + 17, f"word over {kind}", "end")
    else:
        y = top + frame.row / 2
        yield _words(_name(row), frame.left - 14, y + 4, "name", "end")
        yield _words(row.verdict, frame.right + 16, y + 4, f"word {kind}")
    marks = []
    if row.ci_low is not None and row.ci_high is not None:
        left, right = found.x(row.ci_low), found.x(row.ci_high)
        marks.append(tag("line", x1=left, x2=right, y1=y, y2=y))
        marks += [tag("line", x1=x, x2=x, y1=y - 4, y2=y + 4) for x in (left, right)]
    marks.append(_mark(row, found.x(row.delta), y))
    yield tag("g", *marks, class_=f"of {kind}")


def _name(row: TaskComparison) -> str:
    if row.higher_is_better:
        return one_line(row.task, _NAME_LIMIT)
    return f"{one_line(row.task, _NAME_LIMIT - 8)} (lower)"


def _mark(row: TaskComparison, x: float, y: float) -> Markup:
    """Return the form that stands for the verdict."""
    if row.verdict == "improved":
        return tag("path", d=f"M{x} {y - 7}l7 12h-14z", class_="full")
    if row.verdict == "regressed":
        return tag("path", d=f"M{x} {y + 7}l7 -12h-14z", class_="full")
    if row.verdict == "equivalent":
        return tag("rect", x=round(x - 4.5, 1), y=y - 4.5, width=9, height=9, class_="full")
    if row.verdict == "underpowered":
        return tag("path", d=f"M{x} {y - 6.5}l6.5 6.5l-6.5 6.5l-6.5 -6.5z", class_="open")
    if row.verdict == "no evidence":
        return tag("circle", cx=x, cy=y, r=5, class_="open")
    return tag("path", d=f"M{x} {y - 5}v10M{x - 5} {y}h10", class_="open")
