"""A report on answers as lines for a terminal; the document is made by ``report``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rdagent.files.printable import one_line
from rdagent.statistics.interval import Interval
from rdagent.suites.homebench.intervals import DRAWS, LEVEL, MACRO
from rdagent.suites.homebench.report import LEAST_PARSED, ErrorTable, Report
from rdagent.suites.homebench.scoring.baselines import BASELINES
from rdagent.suites.homebench.scoring.categories import ALL, CATEGORIES
from rdagent.suites.homebench.scoring.errors import KINDS, PAPER_TYPES, UNKNOWN
from rdagent.suites.homebench.scoring.paper import (
    FINE_TUNED_BOUND,
    PAPER_RECORDS,
    SOURCE,
    paper_rows,
)
from rdagent.suites.homebench.scoring.score import Total

_ORDER = (*CATEGORIES, ALL)
_BESIDE = "EM/F1, beside rules without a model on the same records and beside the paper's figures"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header; cells are texts."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def tables(report: Report) -> list[Table]:
    """Return the scores, what stands beside them, and what went wrong."""
    made = [_scores(report), _beside(report)]
    if len(report.by_size) > 1:
        made.append(_parts("by the number of operations", report.by_size))
    if report.by_type:
        made.append(_parts("by type", report.by_type))
    if report.errors[ALL].missed:
        made.append(_errors(report))
    return made


def summary(report: Report) -> Iterator[str]:
    """Yield what no table holds."""
    many, drawn = len(report.macro.categories), report.intervals.get(MACRO)
    yield (
        f"macro mean over {many} categor{'y' if many == 1 else 'ies'}:"
        f" EM {_percent(report.macro.em)}{_between(drawn.em if drawn else None)},"
        f" F1 {_percent(report.macro.f1)}{_between(drawn.f1 if drawn else None)}"
    )
    if report.balance.em is not None:
        yield (
            f"acts when it can (VS, VM): EM {_percent(report.balance.acting.em)}; refuses when"
            f" it must (IS, IM): EM {_percent(report.balance.refusing.em)}; harmonic mean"
            f" {_percent(report.balance.em)}"
        )
    refused = report.over_refusal
    told = "" if refused is None else f"; valid single requests refused: {_percent(refused)} %"
    yield f"answers with braces: {_percent(report.parse_rate)} %{told}"
    yield (
        f"strict scorer, percent; intervals of {100 * LEVEL:.0f} % from {DRAWS} draws of records."
        " The lenient columns are no result."
    )


def warnings(report: Report) -> Iterator[str]:
    """Yield what a reader should know before the numbers."""
    if report.strict[ALL].n and report.parse_rate < LEAST_PARSED:
        yield f"only {_percent(report.parse_rate)} % of the answers have braces"
    lists = {
        "records have no gold that is a text; they are left out": report.unscored,
        "golds hold something else than operations; scored as they are": report.strange_gold,
        "golds are not what their category says": report.miscategorised,
    }
    for said, names in lists.items():
        if names:
            more = ", …" if len(names) > _SHOWN else ""
            first = ", ".join(one_line(name) for name in names[:_SHOWN])
            yield f"{len(names)} {said} ({first}{more})"
    if unknown := report.errors[ALL].kinds[UNKNOWN]:
        yield (
            f"{report.without_home} records stand without their home: in {unknown} of them it is"
            " unknown whether what was done instead of a refusal exists (--homes FILE)"
        )


def _scores(report: Report) -> Table:
    header = ("", "n", "EM", "", "P", "R", "F1", "", "lenient EM", "lenient F1")
    rows = []
    for name in _ORDER:
        total, lenient = report.strict[name], report.lenient[name]
        if not total.n:
            rows.append((name, "0", *("n/a",) * 8))
            continue
        shown = report.intervals[name]
        rows.append(
            (
                name,
                str(total.n),
                _percent(total.em),
                _between(shown.em).strip(),
                _percent(total.precision),
                _percent(total.recall),
                _percent(total.f1),
                _between(shown.f1).strip(),
                _percent(lenient.em),
                _percent(lenient.f1),
            )
        )
    return Table(report.source, header, rows)


def _beside(report: Report) -> Table:
    rows = [("this file", *_pairs(report.strict))]
    for name, said in BASELINES.items():
        totals = report.baselines and report.baselines[name]
        cells = _pairs(totals) if totals else ["n/a"] * len(_ORDER)
        rows.append((f"without a model: {said}", *cells))
    for row in paper_rows():
        cells = [f"{_percent(row.cells[c].em)}/{_percent(row.cells[c].f1)}" for c in _ORDER]
        rows.append((f"paper: {row.model}", *cells))
    return Table(_BESIDE, ("", *_ORDER), rows, note=_about_paper(report))


def _about_paper(report: Report) -> str:
    same = all(report.strict[name].n == PAPER_RECORDS[name] for name in _ORDER)
    other = "" if same else f" They are of {PAPER_RECORDS[ALL]:,} records and not of these."
    return (
        f"Rows marked paper are copied from {SOURCE}: another scorer, another decoding.{other}\n"
        f"For comparison, a bound and no number: {FINE_TUNED_BOUND}."
    )


def _pairs(totals: Mapping[str, Total]) -> list[str]:
    found = (totals[name] for name in _ORDER)
    return [f"{_percent(each.em)}/{_percent(each.f1)}" if each.n else "n/a" for each in found]


def _parts(title: str, parts: Mapping[int, Total] | Mapping[str, Total]) -> Table:
    rows = [
        (str(name), str(each.n), _percent(each.em), _percent(each.f1))
        for name, each in parts.items()
    ]
    return Table(title, ("", "n", "EM", "F1"), rows)


def _errors(report: Report) -> Table:
    rows = []
    for kind in (*KINDS, UNKNOWN):
        if report.errors[ALL].kinds[kind]:
            cells = (str(report.errors[name].kinds[kind]) for name in _ORDER)
            rows.append((kind, PAPER_TYPES.get(kind, ""), *cells))
    rows.append(("missed", "", *(str(report.errors[name].missed) for name in _ORDER)))
    return Table(
        f"missed records by kind of error; one may show several{_values(report.errors[ALL])}",
        ("", "in the paper", *_ORDER),
        rows,
    )


def _values(table: ErrorTable) -> str:
    counted = [f"{number} {name}" for name, number in table.value_changes.items() if number]
    return f" (wrong values: {', '.join(counted)})" if counted else ""


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _between(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f" [{_percent(interval.low)}, {_percent(interval.high)}]"
