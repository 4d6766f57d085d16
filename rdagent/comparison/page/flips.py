"""The flip browser: its controls, and some flips for reading without a script.

The script fills the empty panes from the page's data.  Without it, and on paper, the first
flips stand in the page as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rdagent.comparison.page.markup import (
    Cell,
    Column,
    Markup,
    Place,
    foreign,
    join,
    section,
    table,
    tag,
)
from rdagent.comparison.page.payload import Payload, cut, cut_parts
from rdagent.comparison.report import DiffPart, Flip, Part, Report

#: How many flips stand in the page for reading without a script.
STATIC = 20
_STATIC_CAP = 2_000
_KEYS = "j, k or arrows: move · / search · Home, End: ends · Page Up, Page Down: pages"
_MARKED: dict[Part, str] = {"same": "span", "base": "del", "candidate": "ins"}


def flips(report: Report, carried: Payload) -> Markup:
    """Return the section on flips."""
    counts = _counts(report)
    if not carried.total:
        says = "No flip is in this report: none was found, or the texts were not read."
        return section(Place(), "flips", "Flips", counts, tag("p", says, class_="muted"))
    says = "Items that one model got right and the other wrong. "
    return section(
        Place(),
        "flips",
        "Flips",
        tag("p", says, _carried(carried), class_="muted"),
        counts,
        _browser(report),
        _static(report, carried.total),
    )


def _carried(carried: Payload) -> str:
    told = (
        f"This page holds all {carried.total:,} of the report"
        if carried.shown == carried.total
        else f"This page holds {carried.shown:,} of the {carried.total:,} of the report"
    )
    if carried.cut is not None:
        told += f"; to keep it small, texts are cut after {carried.cut:,} characters"
    whole = carried.cut is None and carried.shown == carried.total
    return f"{told}." if whole else f"{told}. The report as JSON holds everything."


def _counts(report: Report) -> Markup | None:
    many = len(report.candidates) > 1
    rows = []
    for one in report.candidates:
        for count in one.flip_counts:
            cells = [
                Cell(foreign(count.task), count.task),
                Cell(f"{count.gained:,}", count.gained),
                Cell(f"{count.lost:,}", count.lost),
                Cell(f"{count.shown:,}", count.shown),
            ]
            rows.append([*cells, Cell(foreign(one.side.name), one.side.name)] if many else cells)
    if not rows:
        return None
    columns = [Column("Task", "text"), Column("Gained"), Column("Lost"), Column("In the report")]
    if many:
        columns.append(Column("Candidate", "text"))
    return table("Flips by task", columns, rows, sortable=True)


def _browser(report: Report) -> Markup:
    """Return the controls and the empty panes that the script fills; hidden without it."""
    many = len(report.candidates) > 1
    controls = tag(
        "div",
        _choice("flip-candidate", "Candidate") if many else None,
        _choice("flip-task", "Task"),
        _choice("flip-direction", "Direction"),
        _field(
            "flip-search",
            "Search",
            tag("input", type="search", id="flip-search", autocomplete="off", spellcheck="false"),
        ),
        class_="controls",
        role="search",
        aria_label="Filter flips",
    )
    return tag(
        "div",
        controls,
        tag("p", id="flip-status", role="status", class_="small"),
        tag("div", _list_pane(), _detail_pane(), class_="panes"),
        _keys(),
        id="flip-browser",
        hidden=True,
    )


def _field(key: str, label: str, control: Markup) -> Markup:
    return tag("div", tag("label", label, for_=key), control, class_="field")


def _choice(key: str, label: str) -> Markup:
    return _field(key, label, tag("select", id=key))


def _list_pane() -> Markup:
    pager = tag(
        "div",
        tag("button", "Previous", type="button", id="flip-back"),
        tag("span", id="flip-page", class_="small"),
        tag("button", "Next", type="button", id="flip-on"),
        class_="pager",
    )
    rows = tag("div", id="flip-list", role="listbox", aria_label="Flips", class_="rows")
    return tag("div", rows, pager, class_="pane")


def _detail_pane() -> Markup:
    return tag("div", id="flip-detail", class_="flip", role="region", aria_label="The chosen flip")


def _keys() -> Markup:
    """Return the line on keys; single letters can be turned off, for those who speak to a page."""
    box = tag("input", type="checkbox", id="flip-keys", checked=True)
    label = tag("label", box, " Keys", for_="flip-keys")
    return tag("p", label, " ", _KEYS, class_="small muted keys")


def _static(report: Report, total: int) -> Markup:
    articles = list(_first(report))
    says = f"The first {len(articles)} of {total:,} flips; browsing all of them needs JavaScript."
    return tag("div", tag("p", says, class_="note"), *articles, id="flip-static")


def _first(report: Report) -> Iterator[Markup]:
    many, left = len(report.candidates) > 1, STATIC
    for one in report.candidates:
        for flip in one.flips[:left]:
            yield _article(flip, report.base.name, one.side.name, name_it=many)
        left -= len(one.flips[:left])


def _article(flip: Flip, base: str, candidate: str, *, name_it: bool) -> Markup:
    where = [foreign(flip.task), " · item ", foreign(flip.item, 80), f" · {flip.direction}"]
    if name_it:
        where += [" · ", foreign(candidate)]
    return tag(
        "article",
        tag("h3", *where),
        _block("Question", _text(flip.question)),
        _block("Target", _text(flip.target)),
        _answers(flip, base, candidate),
        class_="flip",
    )


def _answers(flip: Flip, base: str, candidate: str) -> Markup:
    gained = flip.direction == "gained"
    parts = cut_parts(flip, _STATIC_CAP)
    left = _text(flip.base_answer) if parts is None else _marked(parts, "base")
    right = _text(flip.candidate_answer) if parts is None else _marked(parts, "candidate")
    return tag(
        "div",
        _answer(base, "wrong" if gained else "right", left, flip.base_extracted),
        _answer(candidate, "right" if gained else "wrong", right, flip.candidate_extracted),
        class_="answers",
    )


def _answer(name: str, outcome: str, body: Markup, extracted: str) -> Markup:
    heading = tag("h4", foreign(name, 80), " ", tag("span", outcome, class_=f"outcome {outcome}"))
    read = tag("p", "Read as: ", _inline(extracted), class_="small")
    return tag("div", heading, body, read)


def _block(title: str, body: Markup) -> Markup:
    return tag("div", tag("h4", title), body, class_="block")


def _text(text: str) -> Markup:
    return tag("p", cut(text, _STATIC_CAP), class_="said", dir="auto")


def _inline(text: str) -> Markup:
    if not text:
        return tag("span", "nothing", class_="muted")
    return tag("bdi", tag("code", cut(text, 300)))


def _marked(parts: Iterable[DiffPart], side: Part) -> Markup:
    told = [tag(_MARKED[one.part], one.text) for one in parts if one.part in ("same", side)]
    return tag("p", join(told), class_="said", dir="auto")
