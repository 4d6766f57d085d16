"""The report as Markdown, for a pull request or a job's summary page.

Hosts cut comments at about 65,000 characters: this stops before, at the end of a line,
and says so.  Whatever a model wrote stands as code, where Markdown and HTML mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rdagent.comparison.report import (
    Average,
    CandidateReport,
    Finding,
    Flip,
    Report,
    TaskComparison,
)
from rdagent.comparison.wording import (
    delta_text,
    flips_text,
    interval_text,
    metric_text,
    p_text,
    points,
    value_text,
)
from rdagent.files.printable import one_line

LIMIT = 60_000
_CUT = "\n\n*Cut here: the whole report is in the JSON and HTML files.*\n"
#: Of each direction and task so many flips are shown, each text so long.
_FLIPS, _SHOWN = 3, 300
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$@:-])")


def render_markdown(report: Report, limit: int = LIMIT) -> str:
    """Return the report in at most ``limit`` characters."""
    text = "\n".join(_lines(report)) + "\n"
    if len(text) <= limit:
        return text
    kept = text[: limit - len(_CUT) - len("\n```")]
    kept = kept[: kept.rfind("\n")]
    fence = "\n```" if kept.count("\n```") % 2 else ""
    return kept + fence + _CUT


def _lines(report: Report) -> Iterator[str]:
    yield f"# Comparison: {_safe(report.overall.verdict)}"
    yield ""
    if report.forced:
        yield "> **Forced: these results are not comparable, and were compared all the same.**"
        yield ""
    yield _safe(report.overall.reason)
    if len(report.candidates) > 1:
        yield ""
        yield "| candidate | verdict | average | reason |"
        yield "| --- | --- | --- | --- |"
        for one in report.candidates:
            macro = next((avg for avg in one.averages if avg.kind == "macro"), None)
            mean = "" if macro is None else f"{points(macro.delta, signed=True)}"
            cells = (one.side.name, one.overall.verdict, mean, one.overall.reason)
            yield _row(cells)
    for one in report.candidates:
        yield ""
        yield from _candidate(report, one)
    yield ""
    yield f"Looks at this base and these benchmarks here: {report.looks.count}."
    for note in report.notes:
        yield f"- {_safe(note)}"
    if report.command:
        yield ""
        yield f"    {one_line(report.command, 2000)}"


def _candidate(report: Report, one: CandidateReport) -> Iterator[str]:
    yield f"## {_safe(report.base.name)} against {_safe(one.side.name)}"
    yield ""
    for side in (report.base, one.side):
        limited = f", limited: {_safe(side.limited)}" if side.limited else ""
        yield f"- {_safe(side.name)}: {_safe(side.model or '?')} from {_safe(side.source)}{limited}"
    yield ""
    yield from _findings(one.findings)
    if not one.tasks:
        yield ""
        yield f"**{_safe(one.overall.verdict)}**: {_safe(one.overall.reason)}"
        return
    yield ""
    yield from _table(one.tasks)
    yield ""
    yield from _lists(one)
    for average in one.averages:
        yield _average(average)
    for breakdown in one.breakdowns:
        if breakdown.simpson:
            yield (
                f"- {_safe(breakdown.of)} by {_safe(breakdown.by)}: the whole goes one way and"
                " all its parts the other"
            )
    yield ""
    yield from _flips(one)


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        yield "Comparability: nothing differs but the model."
        return
    yield "| comparability | field | base | candidate | |"
    yield "| --- | --- | --- | --- | --- |"
    for one in findings:
        field = f"{one.task}: {one.field}" if one.task else one.field
        yield _row((one.level, field, one.base or "", one.candidate or "", one.says))


def _table(rows: Sequence[TaskComparison]) -> Iterator[str]:
    yield (
        "| task | metric | n | base | candidate | difference | 95% interval | flips |"
        " p | Holm | BH | detectable | verdict |"
    )
    yield "| --- | --- " + "| ---: " * 10 + "| --- |"
    for row in rows:
        numbers = [row.p, row.p_holm, row.q_bh]
        yield _row(
            (
                row.task,
                metric_text(row),
                str(row.n or ""),
                value_text(row, row.base),
                value_text(row, row.candidate),
                delta_text(row),
                interval_text(row),
                flips_text(row),
                *("" if number is None else p_text(number) for number in numbers),
                "" if row.mde is None or not row.ratio else points(row.mde),
                row.verdict + (" (format only)" if row.format_only else ""),
            )
        )


def _lists(one: CandidateReport) -> Iterator[str]:
    same = [
        row.task
        for row in one.tasks
        if row.verdict in ("equivalent", "no evidence", "underpowered")
    ]
    lists = {
        "Improvements": [row.task for row in one.with_verdict("improved")],
        "Regressions": [row.task for row in one.with_verdict("regressed")],
        "Not distinguishable": same,
        "Untested": [row.task for row in one.with_verdict("untested")],
        "Contaminated": [row.task for row in one.tasks if row.contaminated],
        "Only in the base": list(one.only_base),
        "Only in the candidate": list(one.only_candidate),
    }
    for title, names in lists.items():
        if names or title in ("Improvements", "Regressions"):
            yield f"- **{title}** ({len(names)}): {_safe(', '.join(names)) or 'none'}"


def _average(average: Average) -> str:
    title = "Average over tasks" if average.kind == "macro" else "Average over items"
    interval = average.interval
    text = (
        ""
        if interval is None
        else f", 95% interval {100 * interval.low:+.2f} to {100 * interval.high:+.2f}"
    )
    return f"- {title}: {100 * average.delta:+.2f} points{text}"


def _flips(one: CandidateReport) -> Iterator[str]:
    for count in one.flip_counts:
        if not count.gained and not count.lost:
            continue
        yield f"### {_safe(count.task)}: {count.gained} gained, {count.lost} lost"
        for direction in ("lost", "gained"):
            found = [f for f in one.flips if (f.task, f.direction) == (count.task, direction)]
            for flip in found[:_FLIPS]:
                yield from _flip(flip)


def _flip(flip: Flip) -> Iterator[str]:
    yield ""
    yield f"**{flip.direction}**, item {_safe(flip.item)}"
    yield ""
    for title, text in (
        ("question", flip.question[-_SHOWN:]),
        ("target", flip.target[:_SHOWN]),
        ("base", flip.base_answer[-_SHOWN:]),
        ("candidate", flip.candidate_answer[-_SHOWN:]),
    ):
        yield f"    {title}: {one_line(text, _SHOWN)}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_safe(cell) for cell in cells) + " |"


def _safe(text: str) -> str:
    """Return a stranger's text as one line in which no mark means anything."""
    return _SPECIAL.sub(_escape, one_line(text, 500)).replace("://", "&#58;//")


def _escape(found: re.Match[str]) -> str:
    mark = found.group(1)
    if mark in "<>&@:":  # HTML, people's names, links
        return {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}.get(mark, mark)
    if mark in "-+()!#$":  # mean something only where a line begins or a link stands
        return mark
    return f"\\{mark}"
