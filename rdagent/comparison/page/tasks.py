"""The tasks of one candidate: three lists that are never mixed, and the table of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rdagent.comparison.page import numbers, verdicts
from rdagent.comparison.page.markup import (
    Cell,
    Column,
    Markup,
    Place,
    foreign,
    join,
    prose,
    section,
    table,
    tag,
)
from rdagent.comparison.report import CandidateReport, TaskComparison, TaskVerdict
from rdagent.comparison.wording import metric_text

_UNDECIDED: tuple[TaskVerdict, ...] = ("equivalent", "no evidence", "underpowered")
_SCORES = (
    Column("Task", "text"),
    Column("n", says="items answered by both"),
    Column("Base"),
    Column("Candidate"),
    Column("Δ\u00a0points", says="candidate minus base, in percentage points"),
    Column("95% interval", says="of the difference"),
    Column("b / c", says="base right and candidate wrong / the reverse; sorted by c minus b"),
    Column("p", says="of this test alone"),
)
_DECISION = (
    Column("p\u00a0Holm", says="corrected for all tasks and candidates; the verdict rests on it"),
    Column("q\u00a0BH", says="Benjamini and Hochberg: the share of false finds up to this row"),
    Column("MDE", says="detectable difference in points: found in four of five repetitions"),
    Column("Verdict", "text"),
)
_ORDER: tuple[TaskVerdict, ...] = (
    "improved",
    "regressed",
    "equivalent",
    "no evidence",
    "underpowered",
    "untested",
)


def summary(one: CandidateReport, place: Place) -> Markup:
    """Return what improved, what regressed and what cannot be told apart."""
    undecided = [task for verdict in _UNDECIDED for task in one.with_verdict(verdict)]
    lists = [
        _list("Improvements", one.with_verdict("improved"), place),
        _list("Regressions", one.with_verdict("regressed"), place),
        _list("Not distinguishable", undecided, place),
    ]
    untested = one.with_verdict("untested")
    return section(
        place,
        "summary",
        "Summary",
        tag("div", *lists, class_="lists"),
        tag("div", _list("Untested", untested, place), class_="lists") if untested else None,
        _format_only(one),
    )


def _list(title: str, rows: Sequence[TaskComparison], place: Place) -> Markup:
    heading = tag(f"h{place.level + 1}", title, " ", tag("span", f"{len(rows)}", class_="count"))
    if not rows:
        return tag("div", heading, tag("p", "None.", class_="muted"))
    return tag("div", heading, tag("ul", *map(_item, rows)))


def _item(row: TaskComparison) -> Markup:
    scores = (
        f"{numbers.value(row.base, ratio=row.ratio)} → "
        f"{numbers.value(row.candidate, ratio=row.ratio)}"
    )
    told = [scores]
    if row.relative is not None:
        told.append(numbers.signed(f"{100 * row.relative:+.1f}% of the base"))
    head = tag(
        "p",
        verdicts.mark(row.verdict),
        tag("b", foreign(row.task)),
        tag("span", numbers.with_unit(row), class_="delta"),
        class_="head",
    )
    word = f"{row.verdict}: " if row.verdict in _UNDECIDED else ""
    return tag(
        "li",
        head,
        tag("p", ", ".join(told), class_="small"),
        tag("p", word, prose(row.reason, 400), class_="small muted"),
    )


def _format_only(one: CandidateReport) -> Markup | None:
    """Return the tasks whose gain is one of form alone."""
    found = [row for row in (*one.tasks, *one.others) if row.format_only]
    if not found:
        return None
    names = [
        tag("li", tag("b", foreign(row.task)), " ", foreign(metric_text(row)), " ",
            numbers.with_unit(row))
        for row in found
    ]  # fmt: skip
    says = (
        "Format-only gain: the strict filter gains and the flexible one does not. "
        "The form of the answer was learned, and no more."
    )
    return tag("div", tag("p", says), tag("ul", *names), class_="note")


def tasks(one: CandidateReport, place: Place, drawn: Markup) -> Markup:
    """Return the table of primary metrics and the plot of their differences."""
    if not one.tasks:
        return section(place, "tasks", "Tasks", tag("p", "No task has numbers on both sides."))
    caption = f"Tasks of {one.side.name}, one row each"
    rows = [_scores(row) + _decision(row) for row in one.tasks]
    return section(
        place,
        "tasks",
        "Tasks",
        table(caption, (*_SCORES, *_DECISION), rows, sortable=True, wide=True),
        _legend(),
        drawn,
    )


def others(one: CandidateReport, place: Place) -> Markup | None:
    """Return the metrics and filters that no verdict rests on."""
    if not one.others:
        return None
    caption = f"Other metrics of {one.side.name}"
    says = tag("p", "No verdict rests on these; their p-values stand alone.", class_="muted")
    body = table(caption, _SCORES, [_scores(row) for row in one.others], sortable=True, wide=True)
    return section(place, "others", "Other metrics and filters", says, body)


def _scores(row: TaskComparison) -> list[Cell]:
    found = numbers.interval_of(row)
    return [
        Cell(_name(row), row.task),
        Cell(f"{row.n:,}", row.n) if row.n else numbers.absent("no items"),
        Cell(numbers.value(row.base, ratio=row.ratio), row.base),
        Cell(numbers.value(row.candidate, ratio=row.ratio), row.candidate),
        Cell(tag("b", numbers.difference(row.delta, ratio=row.ratio)), row.delta),
        numbers.absent("no interval")
        if found is None
        else Cell(numbers.interval(found, ratio=row.ratio), found.low),
        _flips(row),
        Cell(tag("span", "not tested", class_="muted"))
        if row.p is None
        else numbers.p_value(row.p),
    ]


def _decision(row: TaskComparison) -> list[Cell]:
    mde = numbers.absent("no detectable difference")
    if row.mde is not None:
        shown = f"{100 * row.mde:.2f}" if row.ratio else f"{row.mde:.4f}"
        planned = None
        if row.mde_planned is not None and row.ratio:
            planned = tag("span", f"planned {100 * row.mde_planned:.2f}", class_="sub")
        mde = Cell(join([shown, planned]), row.mde)
    return [
        numbers.p_value(row.p_holm),
        numbers.p_value(row.q_bh),
        mde,
        Cell(verdicts.named(row.verdict), _ORDER.index(row.verdict)),
    ]


def _flips(row: TaskComparison) -> Cell:
    if row.b is None or row.c is None:
        return numbers.absent("graded, not right or wrong" if row.test else "no items")
    return Cell(f"{row.b} / {row.c}", row.c - row.b)


def _name(row: TaskComparison) -> Markup:
    """Return the task with its metric and everything that qualifies the row."""
    return join(
        [
            tag("span", foreign(row.task), class_="task"),
            *(tag("span", flag, class_="flag") for flag in _flags(row)),
            tag("span", foreign(metric_text(row)), *_details(row), class_="sub"),
        ]
    )


def _flags(row: TaskComparison) -> Iterator[str]:
    if row.is_target:
        yield "target"
    if row.is_guard:
        yield "guard"
    if row.contaminated:
        yield "contaminated"
    if row.format_only:
        yield "format only"


def _details(row: TaskComparison) -> Iterator[str]:
    if not row.higher_is_better:
        yield ", lower is better"
    if not row.ratio:
        yield ", in its own unit"
    if row.clusters is not None:
        yield f", {row.clusters} clusters"
    if row.samples_per_item > 1:
        yield f", {row.samples_per_item} answers per item"


def _legend() -> Markup:
    lines = (
        ("n", "items that both models answered; all numbers are over these"),
        ("Δ points", "candidate minus base in percentage points, whichever direction is better"),
        ("95% interval", "the differences that these items are compatible with"),
        ("b / c", "items that the base alone got right / that the candidate alone got right"),
        ("p", "how often chance alone would give a difference as large; one test taken alone"),
        ("p Holm", "p corrected for all tasks and candidates; improved and regressed rest on it"),
        ("q BH", "Benjamini and Hochberg's correction, for looking around"),
        ("MDE", "the smallest true difference that so many items show in four of five tries"),
        ("equivalent", "the interval lies inside the margin"),
        ("no evidence", "the difference may well be chance"),
        ("underpowered", "too few items to show the difference that was worth finding"),
    )
    items = [join([tag("dt", term), tag("dd", says)]) for term, says in lines]
    return tag("details", tag("summary", "How to read this table"), tag("dl", *items))
