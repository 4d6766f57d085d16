"""The report as JSON, and back: nothing is lost either way.

Rows and findings of all candidates stand in one list each, ``tasks`` and
``comparability``, so that a reader of one candidate's report needs no nesting.
"""

from __future__ import annotations

import types
import typing
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from rdagent.comparison import report as shapes
from rdagent.comparison.report import (
    SCHEMA,
    CandidateReport,
    Finding,
    Report,
    TaskComparison,
)
from rdagent.errors import ResultError

#: What stands in the lists of the whole document and not with its candidate.
_LIFTED = ("tasks", "findings")


def to_json(report: Report) -> dict[str, Any]:
    """Return the JSON document; shares are fractions."""
    return {
        "schema": SCHEMA,
        "created": report.created,
        "command": report.command,
        "forced": report.forced,
        "overall": asdict(report.overall),
        "comparability": [
            {**asdict(finding), "candidate_name": one.side.name}
            for one in report.candidates
            for finding in one.findings
        ],
        "tasks": [asdict(row) for one in report.candidates for row in one.tasks],
        "settings": asdict(report.settings),
        "looks": asdict(report.looks),
        "base": asdict(report.base),
        "candidates": [_candidate(one) for one in report.candidates],
        "notes": list(report.notes),
    }


def _candidate(one: CandidateReport) -> dict[str, Any]:
    document = asdict(one)
    for name in _LIFTED:
        del document[name]
    lists = ("improved", "regressed", "equivalent", "no evidence", "underpowered", "untested")
    document["verdicts"] = {
        verdict: [row.task for row in one.tasks if row.verdict == verdict] for verdict in lists
    }
    return document


def from_json(document: Any) -> Report:
    """Read a report back; raises ResultError when it is none, or of another version."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else None
        raise ResultError(f"this is no report of {SCHEMA}", hint=f"its schema is {found!r}")
    try:
        return _report(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ResultError(f"the report is damaged: {error}") from error


def _report(document: Mapping[str, Any]) -> Report:
    tasks: dict[str, list[TaskComparison]] = defaultdict(list)
    for row in document["tasks"]:
        tasks[row["candidate_name"]].append(_read(TaskComparison, row))
    findings: dict[str, list[Finding]] = defaultdict(list)
    for one in document["comparability"]:
        finding = {key: value for key, value in one.items() if key != "candidate_name"}
        findings[one["candidate_name"]].append(_read(Finding, finding))
    candidates = []
    for one in document["candidates"]:
        name = one["side"]["name"]
        told = {key: value for key, value in one.items() if key != "verdicts"}
        told |= {"tasks": tasks[name], "findings": findings[name]}
        candidates.append(_read(CandidateReport, told))
    known = {one.name for one in fields(Report)}
    told = {key: value for key, value in document.items() if key in known}
    report: Report = _read(Report, {**told, "candidates": candidates})
    return report


def _read(kind: Any, value: Any) -> Any:
    """Return a JSON value as the type that a field of the report has."""
    origin = typing.get_origin(kind)
    if is_dataclass(kind):
        shape: Any = kind
        if isinstance(value, shape):
            return value
        hints = typing.get_type_hints(shape, vars(shapes))
        return shape(**{key: _read(hints[key], part) for key, part in value.items()})
    if origin in (types.UnionType, typing.Union):
        (inner,) = (one for one in typing.get_args(kind) if one is not types.NoneType)
        return None if value is None else _read(inner, value)
    if origin is tuple:
        (inner, *_) = typing.get_args(kind)
        return tuple(_read(inner, part) for part in _sequence(value))
    if kind is float and isinstance(value, int):
        return float(value)
    return value


def _sequence(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"a list was expected, not {type(value).__name__}")
    return value
