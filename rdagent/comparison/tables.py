"""The report's rows for other programs: CSV for a spreadsheet, JUnit for a build server."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import fields
from typing import Any
from xml.etree import ElementTree

from rdagent.comparison.report import CandidateReport, Report, TaskComparison
from rdagent.comparison.wording import delta_text, interval_text, metric_text, p_said, value_text
from rdagent.files.printable import printable

#: Columns that hold no plain value.
_NOT_IN_CSV = frozenset({"base_rates", "candidate_rates", "unpaired_ids"})
#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NOT_IN_XML = re.compile("[\ufffe\uffff]")


def render_csv(report: Report) -> str:
    """Return one line per candidate, task and metric; shares are fractions."""
    names = [one.name for one in fields(TaskComparison) if one.name not in _NOT_IN_CSV]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "primary", "forced"])
    for candidate in report.candidates:
        for row in (*candidate.tasks, *candidate.others):
            cells = [_cell(getattr(row, name)) for name in names]
            writer.writerow([*cells, row in candidate.tasks, report.forced])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return "" if value is None else value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def render_junit(report: Report) -> str:
    """Return a test suite per candidate: a regression fails, what cannot be told is skipped."""
    root = ElementTree.Element("testsuites", name="rdagent compare")
    for candidate in report.candidates:
        _suite(root, report, candidate)
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, report: Report, candidate: CandidateReport) -> None:
    suite = ElementTree.SubElement(
        root, "testsuite", name=_xml(candidate.side.name), timestamp=report.created[:19], time="0"
    )
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    if candidate.fatal:
        counts["tests"] += 1
        counts["errors"] += 1
        case = _case(suite, candidate, "comparability")
        said = [one for one in candidate.findings if one.level == "FATAL"]
        text = "; ".join(f"{one.task or 'all'}: {one.field} {one.says}" for one in said)
        ElementTree.SubElement(case, "error", type="not comparable", message=_xml(text))
    for row in candidate.tasks:
        counts["tests"] += 1
        case = _case(suite, candidate, f"{row.task} {metric_text(row)}")
        if row.verdict == "regressed":
            counts["failures"] += 1
            failure = ElementTree.SubElement(case, "failure", type="regressed")
            failure.set("message", _xml(row.reason))
        elif row.verdict in ("underpowered", "untested"):
            counts["skipped"] += 1
            ElementTree.SubElement(case, "skipped", message=_xml(f"{row.verdict}: {row.reason}"))
        ElementTree.SubElement(case, "system-out").text = _xml(_numbers(row, report))
    for name, count in counts.items():
        suite.set(name, str(count))


def _case(suite: ElementTree.Element, candidate: CandidateReport, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite,
        "testcase",
        classname=_xml(f"compare.{candidate.side.name}"),
        name=_xml(name),
        time="0",
    )


def _numbers(row: TaskComparison, report: Report) -> str:
    forced = "FORCED, not comparable; " if report.forced else ""
    interval = f"interval {interval_text(row)}, " if interval_text(row) else ""
    p = "untested" if row.p is None else f"{interval}{p_said(row.p)}"
    return (
        f"{forced}{row.verdict}: base {value_text(row, row.base)}, candidate"
        f" {value_text(row, row.candidate)}, difference {delta_text(row)}, n {row.n}, {p}"
    )


def _xml(text: str) -> str:
    """Return text without the characters that XML 1.0 cannot hold."""
    return _NOT_IN_XML.sub("\ufffd", printable(text))
