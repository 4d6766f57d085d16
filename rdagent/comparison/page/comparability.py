"""What differs between the two sides: it comes before any score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rdagent.comparison.page.markup import (
    Cell,
    Column,
    Markup,
    Place,
    foreign,
    join,
    listed,
    prose,
    section,
    table,
    tag,
)
from rdagent.comparison.report import CandidateReport, Finding, Level, Report

_LEVELS: dict[Level, str] = {
    "FATAL": "the models were not asked the same",
    "WARN": "systems are compared, a model with its prompt and settings",
    "INFO": "good to know",
}
_COLUMNS = (
    Column("What", "text"),
    Column("Task", "text"),
    Column("Base", "text"),
    Column("Candidate", "text"),
    Column("Meaning", "text"),
)
#: More findings of the lowest level than this are folded away.
_MOST_OPEN = 8


def comparability(report: Report) -> Markup:
    """Return the section on what differs: what all candidates share once, then each one's own."""
    contents: list[Markup] = []
    if len(report.candidates) == 1:
        one = report.candidates[0]
        contents += [*_findings(one.side.name, one.findings, 3), _noted(_notes(one))]
    else:
        shared = _shared(report)
        contents += [tag("h3", "All candidates"), *_findings("all candidates", shared, 4)]
        for one in report.candidates:
            own = [finding for finding in one.findings if finding not in shared]
            notes = list(_notes(one))
            if own or notes:
                contents.append(tag("h3", foreign(one.side.name)))
                contents += [*(_findings(one.side.name, own, 4) if own else ()), _noted(notes)]
    of_base = [join([foreign(report.base.name), ": ", prose(note)]) for note in report.base.notes]
    return section(Place(), "comparability", "Comparability", *contents, _noted(of_base))


def _shared(report: Report) -> list[Finding]:
    """Return the findings that stand on every candidate."""
    if not report.candidates:
        return []
    first, *rest = report.candidates
    return [one for one in first.findings if all(one in other.findings for other in rest)]


def _noted(notes: Iterable[Markup]) -> Markup:
    items = [tag("li", note) for note in notes]
    return tag("ul", *items, class_="notes") if items else Markup()


def _findings(whose: str, found: Sequence[Finding], level: int) -> Iterator[Markup]:
    """Yield findings by level, the gravest first."""
    if not found:
        yield tag("p", "Nothing differs among the settings and items that could be checked.")
    for name, means in _LEVELS.items():
        rows = [_row(finding) for finding in found if finding.level == name]
        if not rows:
            continue
        yield tag(f"h{level}", tag("span", name, class_=f"level {name.lower()}"), f" {means}")
        content = table(f"{name} findings on {whose}", _COLUMNS, rows, wide=True)
        if name == "INFO" and len(rows) > _MOST_OPEN:
            content = tag("details", tag("summary", f"{len(rows)} findings"), content)
        yield content


def _row(finding: Finding) -> list[Cell]:
    return [
        Cell(foreign(finding.field)),
        Cell(foreign(finding.task) if finding.task else "all"),
        Cell(_told(finding.base)),
        Cell(_told(finding.candidate)),
        Cell(prose(finding.says, 300)),
    ]


def _told(value: str | None) -> Markup:
    return tag("span", "not stated", class_="muted") if value is None else foreign(value)


def _notes(one: CandidateReport) -> Iterator[Markup]:
    """Yield what is missing on one side, and what was wrong with the files."""
    for task in one.tasks:
        if task.only_base or task.only_candidate:
            yield join(
                [
                    foreign(task.task),
                    f": {task.only_base} items were answered by the base alone and "
                    f"{task.only_candidate} by the candidate alone; they are not paired",
                    join([" (", listed(task.unpaired_ids, 8), ")"]) if task.unpaired_ids else None,
                ]
            )
    if one.only_base:
        yield join(["Tasks of the base alone: ", listed(one.only_base)])
    if one.only_candidate:
        yield join(["Tasks of the candidate alone: ", listed(one.only_candidate)])
    for note in one.side.notes:
        yield prose(note)
