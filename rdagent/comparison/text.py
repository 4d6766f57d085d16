"""The report for a terminal, in the layout that its readers know, and nothing left out of it.

The blocks and lists are those of the guide that people come from; below each number
stands how sure it is, and what cannot be told from chance has a list of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rdagent.comparison.breakdowns import reported_delta
from rdagent.comparison.report import (
    Average,
    CandidateReport,
    Finding,
    Interval,
    Report,
    SideInfo,
    TaskComparison,
)
from rdagent.comparison.verdicts import gain
from rdagent.comparison.wording import (
    delta_text,
    flips_text,
    interval_text,
    metric_text,
    p_said,
    p_text,
    points,
)
from rdagent.files.printable import one_line, printable

WIDTH = 80
_RULE = "=" * WIDTH
#: Of findings so many are printed; the other formats hold all.
_FINDINGS = 12
_MARK = {"FATAL": "✗", "WARN": "!", "INFO": "·"}


def render_text(report: Report) -> str:
    """Return the whole report as text."""
    lines: list[str] = []
    for candidate in report.candidates:
        lines.extend(_candidate(report, candidate))
        lines.append("")
    if len(report.candidates) > 1:
        lines.extend(_ranking(report))
    return printable("\n".join(lines)).rstrip() + "\n"


def _candidate(report: Report, candidate: CandidateReport) -> Iterator[str]:
    yield _RULE
    yield f"📊 COMPARISON: {_title(report.base)} vs {_title(candidate.side)}"
    yield _RULE
    yield from _banner(report, candidate)
    yield from _findings(candidate.findings)
    if candidate.fatal and not report.forced:
        yield ""
        yield f"NOT COMPARABLE: {candidate.overall.reason}"
        yield _RULE
        return
    for row in candidate.tasks:
        yield ""
        yield from _block(row)
    yield ""
    yield _RULE
    yield "📈 SUMMARY"
    yield _RULE
    yield from _lists(candidate)
    yield from _averages(candidate)
    yield from _details(candidate)
    yield ""
    yield f"VERDICT: {candidate.overall.verdict.upper()} - {candidate.overall.reason}"
    yield _looks(report)
    yield _RULE


def _title(side: SideInfo) -> str:
    label = {"base": "Base Model"}.get(side.name, side.name)
    model = Path(side.model).name if side.model else None
    return one_line(label if model in (None, side.name) else f"{label} ({model})", 70)


def _banner(report: Report, candidate: CandidateReport) -> Iterator[str]:
    if report.forced:
        yield "✗ FORCED: these results are not comparable, and were compared all the same."
    for side in (report.base, candidate.side):
        if side.limited:
            yield f"! {side.name}: a part of the documents only ({one_line(side.limited, 60)})"
    contaminated = [row.task for row in candidate.tasks if row.contaminated]
    if contaminated:
        yield f"! contaminated (trained on test documents): {', '.join(contaminated)}"
    for note in (*report.notes, *candidate.side.notes):
        yield f"· {one_line(note, 200)}"


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        yield "Comparability: nothing differs but the model."
        return
    yield "Comparability:"
    for finding in findings[:_FINDINGS]:
        where = f"{finding.task}: " if finding.task else ""
        values = f" ({_short(finding.base)} | {_short(finding.candidate)})"
        if finding.base is None and finding.candidate is None:
            values = ""
        said = f" - {one_line(finding.says, 120)}" if finding.says else ""
        yield f"  {_MARK[finding.level]} {finding.level:5} {where}{finding.field}{values}{said}"
    if len(findings) > _FINDINGS:
        yield f"    and {len(findings) - _FINDINGS} more"


def _short(value: str | None) -> str:
    return "-" if value is None else one_line(value, 70)


def _block(row: TaskComparison) -> Iterator[str]:
    """The guide's block of a task, and under it how sure the difference is."""
    yield f"{_arrow(gain(row))} {row.task.upper()}"
    if row.ratio:
        relative = "" if row.relative is None else f" ({100 * row.relative:+.1f}%)"
        yield f"   Base:{100 * row.base:>11.2f}%"
        yield f"   Finetuned:{100 * row.candidate:>6.2f}%"
        yield f"   Δ:{100 * row.delta:>+14.2f}%{relative}"
    else:
        yield f"   Base:{row.base:>12.4f}"
        yield f"   Finetuned:{row.candidate:>7.4f}"
        yield f"   Δ:{row.delta:>+15.4f}"
    yield f"   {_sure(row)}"
    yield f"   {row.verdict.upper()}: {one_line(row.reason, 200)}"
    for mark in _marks(row):
        yield f"   {mark}"


def _arrow(delta: float) -> str:
    if delta == 0:
        return "▪"
    return "📈" if delta > 0 else "📉"


def _sure(row: TaskComparison) -> str:
    name = metric_text(row)
    if row.p is None:
        return f"{name}; unpaired and untested"
    flips = f", flips {flips_text(row)}" if flips_text(row) else ""
    holm = f", Holm {p_text(row.p_holm)}" if row.p_holm is not None else ""
    interval = f", 95% interval {interval_text(row)}" if interval_text(row) else ""
    return f"{name}; n={row.n}{flips}{interval}, {p_said(row.p)}{holm} ({row.test})"


def _marks(row: TaskComparison) -> Iterator[str]:
    if row.format_only:
        yield "! format only: the strict filter gains, the flexible one does not"
    if row.only_base or row.only_candidate:
        yield (
            f"! unpaired items left out: {row.only_base} of the base,"
            f" {row.only_candidate} of the candidate"
        )
    if row.unpaired_ids:
        yield f"  {', '.join(row.unpaired_ids[:10])}{' and more' if _unpaired(row) > 10 else ''}"
    if row.without_number:
        yield f"! {row.without_number} items without a number on one side left out"
    if reported_delta(row) * row.delta < 0:
        yield "! over all their own items the reported scores differ the other way"
    if not row.higher_is_better:
        yield "· less is better"
    if row.clusters is not None:
        yield f"· {row.clusters} clusters of items that hang together"
    rates = _rates(row)
    if rates:
        yield f"· {rates}"


def _unpaired(row: TaskComparison) -> int:
    return row.only_base + row.only_candidate


def _rates(row: TaskComparison) -> str:
    parts = []
    for name in ("truncated", "empty", "not_extracted"):
        base, candidate = getattr(row.base_rates, name), getattr(row.candidate_rates, name)
        if base or candidate:
            left = "?" if base is None else f"{100 * base:.1f}%"
            right = "?" if candidate is None else f"{100 * candidate:.1f}%"
            parts.append(f"{name.replace('_', ' ')} {left} | {right}")
    return ", ".join(parts)


def _lists(candidate: CandidateReport) -> Iterator[str]:
    yield ""
    yield from _list("✅ Improvements", candidate.with_verdict("improved"))
    yield ""
    yield from _list("⚠️  Regressions", candidate.with_verdict("regressed"))
    same = [
        row
        for verdict in ("equivalent", "no evidence", "underpowered")
        for row in candidate.with_verdict(verdict)
    ]
    if same:
        yield ""
        yield from _list("〰  Not distinguishable", same, with_verdict=True)
    untested = candidate.with_verdict("untested")
    if untested:
        yield ""
        yield from _list("?  Untested", untested)
    for title, names in (("base", candidate.only_base), ("candidate", candidate.only_candidate)):
        if names:
            yield f"Only the {title} has: {', '.join(names)}"


def _list(
    title: str, rows: Sequence[TaskComparison], *, with_verdict: bool = False
) -> Iterator[str]:
    yield f"{title} ({len(rows)} task{'' if len(rows) == 1 else 's'}):"
    for row in rows:
        told = f" ({row.verdict})" if with_verdict else ""
        yield f"   • {row.task}: {delta_text(row)}{told}"
    if not rows:
        yield "   none"


def _averages(candidate: CandidateReport) -> Iterator[str]:
    for average in candidate.averages:
        yield ""
        yield _average(average)
        for task, why in average.excluded.items():
            yield f"   left out: {task} ({why})"


def _average(average: Average) -> str:
    title = "Average improvement" if average.kind == "macro" else "The same, each item once"
    over = f"{average.tasks} tasks" + (f", {average.items} items" if average.items else "")
    return f"{title}: {100 * average.delta:+.2f}%{_interval(average.interval)} ({over})"


def _interval(interval: Interval | None, scale: int = 100) -> str:
    if interval is None:
        return ""
    return f", 95% interval {scale * interval.low:+.2f} to {scale * interval.high:+.2f}"


def _details(candidate: CandidateReport) -> Iterator[str]:
    for group in candidate.groups:
        scale, sign = (100, "%") if group.ratio else (1, "")
        values = f"{scale * group.base:.2f}{sign} to {scale * group.candidate:.2f}{sign}"
        delta = f"{scale * group.delta:+.2f}{sign}{_interval(group.interval, scale)}"
        yield f"   {group.name} ({group.n} items): {values}, {delta}"
    reversed_ = [one for one in candidate.breakdowns if one.simpson]
    for one in reversed_:
        yield f"! {one.of} by {one.by}: the whole goes one way and all its parts the other"
    flips = [one for one in candidate.flip_counts if one.gained or one.lost]
    if flips:
        gained, lost = sum(one.gained for one in flips), sum(one.lost for one in flips)
        yield ""
        yield f"Flips: {gained} gained, {lost} lost; --html FILE shows them"


def _looks(report: Report) -> str:
    looks = report.looks
    if looks.count <= 1:
        return "This base was compared on these benchmarks for the first time here."
    said = f"This base was compared on these benchmarks {looks.count} times here"
    if not looks.candidates:
        return f"{said}."
    others = f"{looks.candidates} other candidate{'' if looks.candidates == 1 else 's'} before"
    return f"{said}, with {others}: the best of many looks better than it is."


def _ranking(report: Report) -> Iterator[str]:
    yield _RULE
    yield f"📊 {len(report.candidates)} candidates against {_title(report.base)}"
    yield _RULE
    for candidate in report.candidates:
        macro = next((one for one in candidate.averages if one.kind == "macro"), None)
        mean = "" if macro is None else f"{points(macro.delta, signed=True)} points on average; "
        overall = candidate.overall
        yield f"   {candidate.side.name}: {overall.verdict} - {mean}{overall.reason}"
