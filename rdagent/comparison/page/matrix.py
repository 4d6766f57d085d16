"""Several candidates against one base: a table of candidates and tasks comes first."""

from __future__ import annotations

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
from rdagent.comparison.report import CandidateReport, Report, TaskComparison
from rdagent.files.printable import one_line


def matrix(report: Report, prefixes: list[str]) -> Markup:
    """Return every task's difference and verdict, a column for each candidate."""
    rows = {
        (place, row.task): row
        for place, one in enumerate(report.candidates)
        for row in one.tasks
    }  # fmt: skip
    tasks = list(dict.fromkeys(task for _, task in rows))
    columns = [Column("Task", "text"), Column("Base")]
    columns += [Column(one_line(one.side.name, 60)) for one in report.candidates]
    body = []
    for task in tasks:
        found = [rows.get((place, task)) for place in range(len(report.candidates))]
        first = next(row for row in found if row is not None)
        base = Cell(numbers.value(first.base, ratio=first.ratio), first.base)
        body.append([Cell(foreign(task), task), base, *map(_cell, found)])
    says = (
        "Differences from the base in points. The correction is over all candidates and tasks. "
        "The base's score is over the items that it shares with the first candidate."
    )
    return section(
        Place(),
        "matrix",
        "Candidates and tasks",
        tag("p", says, class_="muted"),
        table("Matrix of candidates and tasks", columns, body, sortable=True),
        tag("ul", *map(_decision, prefixes, report.candidates), class_="decisions"),
    )


def _cell(row: TaskComparison | None) -> Cell:
    if row is None:
        return numbers.absent("not compared")
    delta = tag("b", numbers.difference(row.delta, ratio=row.ratio))
    word = tag("span", verdicts.named(row.verdict), class_="sub")
    return Cell(join([delta, word]), row.delta)


def _decision(prefix: str, one: CandidateReport) -> Markup:
    link = tag("a", foreign(one.side.name), href=f"#{prefix}candidate")
    return tag(
        "li", link, " ", verdicts.named(one.overall.verdict), ": ", prose(one.overall.reason, 400)
    )
