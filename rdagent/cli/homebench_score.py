"""``rdagent homebench score``: what the answers in a file are worth."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from rdagent.cli.terminal import Terminal
from rdagent.errors import ResultError, UsageError
from rdagent.files.atomic import replaced
from rdagent.files.printable import one_line
from rdagent.suites.homebench.report import Report, make_report
from rdagent.suites.homebench.report_text import summary, tables, warnings
from rdagent.suites.homebench.scoring.judgement import Judged, Unscored, judge_all
from rdagent.suites.homebench.scoring.records import read_homes, read_records


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--results",
        "--result_file",
        type=Path,
        required=True,
        metavar="FILE",
        help="answers: JSON lines or one JSON array; category (or type), gold, prediction,"
        " and if known id, home_id, input",
    )
    parser.add_argument(
        "--homes",
        type=Path,
        metavar="FILE",
        help="the homes, to tell which operations do not exist (home_status_method.jsonl)",
    )
    parser.add_argument(
        "--per-record",
        type=Path,
        metavar="OUT",
        help="write index, id, tp, fp, fn, em and errors of each record there, as JSON lines",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Read, judge, print, write."""
    _check_out(arguments)
    homes = read_homes(arguments.homes) if arguments.homes else None
    judged = list(judge_all(read_records(arguments.results), homes))
    if not any(isinstance(each, Judged) for each in judged):
        raise ResultError(f"{arguments.results.name}: no record has a gold that is a text")
    report = make_report(judged, one_line(arguments.results.name))
    for line in warnings(report):
        terminal.note(line)
    if arguments.per_record:
        _write(judged, arguments.per_record)
        terminal.note(f"per record: {arguments.per_record}")
    print_report(report, terminal)
    return 0


def print_report(report: Report, terminal: Terminal) -> None:
    """Print a report: one document, or its tables with what they mean."""
    if terminal.json_only:
        terminal.json(report.to_json())
        return
    first, *others = tables(report)
    terminal.say(first.title)
    terminal.table(first.header, first.rows)
    for line in summary(report):
        terminal.say(line)
    for table in others:
        terminal.say()
        terminal.say(table.title)
        terminal.table(table.header, table.rows)
        for line in table.note.splitlines():
            terminal.say(line)


def _check_out(arguments: argparse.Namespace) -> None:
    out: Path | None = arguments.per_record
    if out is None:
        return
    if out.is_dir():
        raise UsageError(f"--per-record {out} is a folder; a file is expected")
    for given in (arguments.results, arguments.homes):
        if given is not None and out.resolve() == given.resolve():
            raise UsageError(f"--per-record {out} would replace what is read")


def _write(judged: Iterable[Judged | Unscored], out: Path) -> None:
    with replaced(out) as sink:
        for each in judged:
            # ASCII: an id may hold what cannot be written as UTF-8.
            sink.write(json.dumps(each.to_json()).encode("ascii") + b"\n")
