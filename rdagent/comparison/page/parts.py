"""Averages, groups, breakdowns and failure rates of one candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rdagent.comparison.page import numbers
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
from rdagent.comparison.report import (
    Breakdown,
    CandidateReport,
    FailureRates,
    Stratum,
    TaskComparison,
)

_NUMBERS = (
    Column("n"),
    Column("Base"),
    Column("Candidate"),
    Column("Δ\u00a0points"),
    Column("95% interval"),
)
_KINDS = {"macro": "Macro: each task once", "item-weighted": "Item-weighted: each item once"}
#: More breakdowns than this are folded away, those with a reversal aside.
_MOST_OPEN = 3


def averages(one: CandidateReport, place: Place) -> Markup:
    """Return the means over tasks."""
    if not one.averages:
        return section(place, "averages", "Averages", tag("p", "There is nothing to average."))
    columns = (Column("Average", "text"), Column("Tasks"), Column("Items"), *_NUMBERS[1:])
    rows = [
        [
            Cell(_KINDS[average.kind]),
            Cell(f"{average.tasks}"),
            Cell(f"{average.items:,}"),
            Cell(numbers.value(average.base)),
            Cell(numbers.value(average.candidate)),
            Cell(tag("b", numbers.difference(average.delta))),
            Cell(numbers.interval(average.interval)),
        ]
        for average in one.averages
    ]
    excluded = {task: why for average in one.averages for task, why in average.excluded.items()}
    return section(
        place,
        "averages",
        "Averages",
        tag("p", "Of primary metrics that are shares of one; more is better.", class_="muted"),
        table(f"Averages of {one.side.name}", columns, rows),
        _excluded(excluded),
    )


def _excluded(excluded: Mapping[str, str]) -> Markup | None:
    if not excluded:
        return None
    told = [
        tag("li", foreign(task), ": ", prose(why, 200)) for task, why in list(excluded.items())[:50]
    ]
    return tag("div", tag("p", "Left out:"), tag("ul", *told), class_="small muted")


def breakdowns(one: CandidateReport, place: Place) -> Markup:
    """Return groups, and tasks by their parts."""
    if not one.groups and not one.breakdowns:
        says = tag("p", "No group and no field to break the items down by.", class_="muted")
        return section(place, "breakdowns", "Groups and breakdowns", says)
    contents = [tag("p", "To look at, not to decide by: the parts are not tested.", class_="muted")]
    if one.groups:
        contents.append(_strata(f"Groups of {one.side.name}", "Group", one.groups, one))
    for number, cut in enumerate(one.breakdowns):
        contents.append(_breakdown(cut, one, is_open=cut.simpson or number < _MOST_OPEN))
    return section(place, "breakdowns", "Groups and breakdowns", *contents)


def _breakdown(cut: Breakdown, one: CandidateReport, *, is_open: bool) -> Markup:
    name = join([tag("b", foreign(cut.of)), " by ", foreign(cut.by)])
    mark = tag("span", "Simpson", class_="flag") if cut.simpson else None
    says = (
        tag(
            "p",
            "Simpson's paradox: the whole goes one way and all its parts the other. "
            "Look at the parts.",
            class_="note",
        )
        if cut.simpson
        else None
    )
    body = _strata(f"{cut.of} by {cut.by}, {one.side.name}", "Part", cut.strata, one)
    return tag("details", tag("summary", name, mark), says, body, open=is_open)


def _strata(caption: str, first: str, strata: Sequence[Stratum], one: CandidateReport) -> Markup:
    ratio = numbers.are_shares(strata)
    rows = [
        [
            Cell(foreign(part.name), part.name),
            Cell(f"{part.n:,}", part.n),
            Cell(numbers.value(part.base, ratio=ratio), part.base),
            Cell(numbers.value(part.candidate, ratio=ratio), part.candidate),
            Cell(tag("b", numbers.difference(part.delta, ratio=ratio)), part.delta),
            Cell(numbers.interval(part.interval, ratio=ratio)),
        ]
        for part in strata
    ]
    return table(caption, (Column(first, "text"), *_NUMBERS), rows)


_RATES = ("Truncated", "Empty", "Not extracted", "Mean length")


def rates(one: CandidateReport, place: Place) -> Markup:
    """Return how answers failed, the base beside the candidate."""
    known = [
        row
        for row in one.tasks
        if row.base_rates != FailureRates() or row.candidate_rates != FailureRates()
    ]
    if not known:
        says = tag("p", "The files do not tell how answers failed.", class_="muted")
        return section(place, "rates", "Failed answers", says)
    columns = [Column("Task", "text"), *map(Column, _RATES)]
    says = tag(
        "p",
        "Base → candidate: the share of answers that were cut at their longest length, that were "
        "empty, and in which the filter found nothing; lengths are in characters. A gain that "
        "comes with fewer failures may be one of form. Headings sort by the change.",
        class_="muted",
    )
    body = table(f"Failed answers of {one.side.name}", columns, map(_rates, known), sortable=True)
    return section(place, "rates", "Failed answers", says, body)


def _rates(row: TaskComparison) -> list[Cell]:
    base, candidate = row.base_rates, row.candidate_rates
    return [
        Cell(foreign(row.task), row.task),
        _change(base.truncated, candidate.truncated),
        _change(base.empty, candidate.empty),
        _change(base.not_extracted, candidate.not_extracted),
        _change(base.mean_length, candidate.mean_length, share=False),
    ]


def _change(base: float | None, candidate: float | None, *, share: bool = True) -> Cell:
    """Return a rate of both sides; sorted by the change where both are known."""
    if base is None and candidate is None:
        return numbers.absent()
    shown = [
        "not known" if rate is None else numbers.value(rate) if share else f"{rate:,.0f}"
        for rate in (base, candidate)
    ]
    key = None if base is None or candidate is None else candidate - base
    return Cell(" → ".join(shown), key)


def reported(one: CandidateReport, place: Place) -> Markup | None:
    """Return the scores as the files report them, over all items of each side."""
    known = [row for row in one.tasks if row.base_reported is not None]
    if not known:
        return None
    columns = (
        Column("Task", "text"),
        Column("Base, all items"),
        Column("Candidate, all items"),
        Column("Base alone", says="items that the base alone answered"),
        Column("Candidate alone", says="items that the candidate alone answered"),
    )
    rows = [
        [
            Cell(foreign(row.task), row.task),
            _score(row, row.base_reported, row.base_stderr),
            _score(row, row.candidate_reported, row.candidate_stderr),
            Cell(f"{row.only_base:,}", row.only_base),
            Cell(f"{row.only_candidate:,}", row.only_candidate),
        ]
        for row in known
    ]
    says = "As the files report them, with standard errors; the table of tasks is over pairs alone."
    body = table(f"Reported scores of {one.side.name}", columns, rows, sortable=True)
    return section(place, "reported", "Reported scores", tag("p", says, class_="muted"), body)


def _score(row: TaskComparison, score: float | None, error: float | None) -> Cell:
    if score is None:
        return numbers.absent()
    shown = numbers.value(score, ratio=row.ratio)
    if error is not None:
        shown += f" ± {100 * error:.2f}" if row.ratio else f" ± {error:.4f}"
    return Cell(shown, score)
