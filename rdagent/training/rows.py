"""Look into the files of a data set: do they parse, have they the columns, what do rows lack.

JSON, JSON lines and CSV are read here; Parquet, Arrow and text are left to the job,
which reads everything with LLaMA-Factory's own code before it loads the model.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.errors import RefusedError
from rdagent.files.printable import one_line
from rdagent.training.columns import INFO_FILE, Reading
from rdagent.training.keys import near_names

#: Files beyond this are looked at by the job only.
SIZE_LIMIT = 64 << 20
READ_HERE = (".json", ".jsonl", ".csv")
#: A share of rows that cannot be trained on and is a slip, not a mistake in the description.
BAD_LIMIT = 0.05


@dataclass(slots=True)
class RowReport:
    """What was seen in the rows of one data set."""

    name: str
    rows: int = 0
    #: Why rows teach nothing, and how many.
    bad: Counter[str] = field(default_factory=Counter)
    first_bad: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    keys: set[str] = field(default_factory=set)
    digests: set[bytes] = field(default_factory=set)
    #: Characters of the longest row: no row has more tokens than that.
    longest: int = 0
    #: Files that were not looked at here.
    unread: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """Say what does not stop a training and should be known."""
        found = [
            f"the data set {self.name}: {count} of {self.rows} rows {why}, row"
            f" {self.first_bad[why]} first"
            for why, count in self.bad.items()
        ]
        if self.duplicates:
            found.append(
                f"the data set {self.name}: {self.duplicates} of {self.rows} rows stand twice"
            )
        if self.unread:
            found.append(
                f"the data set {self.name}: {', '.join(self.unread)} is looked at in the job only"
            )
        return found


def look_at(reading: Reading, files: Iterable[Path], stage: str) -> RowReport:
    """Read the rows of a data set.

    Raises RefusedError when a file does not parse (with the line), when a column that is
    read is in no row, and when more rows than a slip explains teach nothing.
    """
    report = RowReport(reading.name)
    for path in files:
        if path.suffix not in READ_HERE or path.stat().st_size > SIZE_LIMIT:
            report.unread.append(path.name)
            continue
        for row in _rows(path, reading.name):
            _take(report, reading, row, stage)
    if report.rows:
        _refuse_missing_columns(report, reading)
        _refuse_bad(report)
    elif not report.unread:
        raise RefusedError(f"the data set {reading.name} has no rows")
    return report


def overlap(training: RowReport, held_out: RowReport) -> int:
    """Return how many different rows stand in both."""
    return len(training.digests & held_out.digests)


def _rows(path: Path, name: str) -> Iterator[Mapping[str, Any]]:
    try:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as stream:
                yield from csv.DictReader(stream)
            return
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, name, str(error)) from error
    starts = text.lstrip("\ufeff \t\r\n")
    yield from _array(text, path, name) if starts.startswith("[") else _lines(text, path, name)


def _unreadable(path: Path, name: str, why: str) -> RefusedError:
    return RefusedError(
        f"{path} of the data set {name} cannot be read: {one_line(why)}", hint="Correct the file."
    )


def _array(text: str, path: Path, name: str) -> Iterator[Mapping[str, Any]]:
    try:
        document = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, name, str(error)) from error
    for number, row in enumerate(document, 1):
        yield _checked(row, f"row {number}", path, name)


def _lines(text: str, path: Path, name: str) -> Iterator[Mapping[str, Any]]:
    lines = text.split("\n")
    whole = _one_object(text) if path.suffix == ".json" and len(lines) > 1 else None
    if whole is not None:
        yield whole
        return
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _unreadable(path, name, f"line {number}: {error}") from error
        yield _checked(row, f"line {number}", path, name)


def _one_object(text: str) -> Mapping[str, Any] | None:
    """Return the one object that a whole file is: a single row, however many lines it has."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _checked(row: Any, where: str, path: Path, name: str) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise _unreadable(path, name, f"{where} is {type(row).__name__}, not an object")
    return row


def _take(report: RowReport, reading: Reading, row: Mapping[str, Any], stage: str) -> None:
    report.rows += 1
    report.keys.update(str(key) for key in row)
    text = json.dumps(row, sort_keys=True, ensure_ascii=False)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    report.duplicates += digest in report.digests
    report.digests.add(digest)
    report.longest = max(report.longest, len(text.encode("utf-8", "surrogatepass")))
    if why := _why_bad(reading, row, stage):
        report.bad[why] += 1
        report.first_bad.setdefault(why, report.rows)


def _refuse_missing_columns(report: RowReport, reading: Reading) -> None:
    if report.unread:
        return
    for column, name in reading.required.items():
        if name in report.keys:
            continue
        near = near_names(name, report.keys, 1)
        has = f"the rows have {', '.join(sorted(report.keys)[:12])}"
        found = f"did you mean {near[0]}?" if near else has
        raise RefusedError(
            f"no row of the data set {report.name} has the column {one_line(name)!r}, which is"
            f" read as {column!r}; {one_line(found)}",
            hint=f"Write columns for it in {INFO_FILE} that lists just what there is, such as"
            f" {json.dumps(_suggested(reading, report.keys))}; without columns LLaMA-Factory reads"
            " all of its defaults and ends with a KeyError.",
        )


def _suggested(reading: Reading, keys: set[str]) -> dict[str, str]:
    found = {}
    for column, name in reading.required.items():
        if name in keys:
            found[column] = name
        elif near := near_names(name, keys, 1):
            found[column] = one_line(near[0])
    return found or {"prompt": "...", "response": "..."}


def _refuse_bad(report: RowReport) -> None:
    total = report.bad.total()
    if total <= BAD_LIMIT * report.rows:
        return
    why, count = report.bad.most_common(1)[0]
    raise RefusedError(
        f"{total} of {report.rows} rows of the data set {report.name} teach nothing: {count}"
        f" {why}, row {report.first_bad[why]} first",
        hint=f"Correct these rows, or the columns and tags in {INFO_FILE}.",
    )


def _why_bad(reading: Reading, row: Mapping[str, Any], stage: str) -> str | None:
    """Return why LLaMA-Factory drops a row; an empty answer is a matter of the job's count."""
    if reading.formatting == "alpaca":
        return _bad_alpaca(reading, row, stage)
    if reading.formatting == "sharegpt":
        return _bad_messages(reading, row, stage)
    return None


def _bad_alpaca(reading: Reading, row: Mapping[str, Any], stage: str) -> str | None:
    if reading.ranking:
        pair = [row.get(reading.column(each) or "") for each in ("chosen", "rejected")]
        return None if all(isinstance(each, str) for each in pair) else "lack one of two answers"
    if stage in ("pt", "ppo"):
        return None
    column = reading.column("response") or ""
    # A column may be absent from a row; whether it is absent from all is asked elsewhere.
    return None if isinstance(row.get(column), str) else f"have no text as {column!r}"


def _bad_messages(reading: Reading, row: Mapping[str, Any], stage: str) -> str | None:
    messages = row.get(reading.column("messages") or "")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        return "have no list of messages"
    tags = reading.tags
    roles = [each.get(tags["role_tag"]) for each in messages]
    if roles and roles[0] == tags["system_tag"] and tags["system_tag"]:
        roles = roles[1:]
    turns = (
        (tags["user_tag"], tags["observation_tag"]),
        (tags["assistant_tag"], tags["function_tag"]),
    )
    for place, role in enumerate(roles):
        if role not in turns[place % 2]:
            expected = turns[place % 2][0]
            return f"have {one_line(str(role), 40)!r} where {expected!r} is expected"
    if not roles:
        return "have no messages"
    if stage == "pt":
        return None
    if len(roles) % 2 != (1 if reading.ranking else 0):
        return "end with a question" if not reading.ranking else "end with an answer"
    return None
