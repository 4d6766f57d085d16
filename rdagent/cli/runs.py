"""``rdagent runs ls|show|logs``: what was run."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from rdagent.cli.terminal import Terminal
from rdagent.core.settings import runs_root
from rdagent.errors import ResultError, UsageError
from rdagent.files import untrusted
from rdagent.files.printable import printable
from rdagent.jobs.runs import MANIFEST_FILE, REQUEST_FILE, RunFolder, find_run, list_runs

_SCHEMA = "rdagent.runs/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ls|show|logs", required=True)
    ls = actions.add_parser("ls", help="list the runs, the newest first")
    ls.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default 20)")
    ls.add_argument("--json", action="store_true", help="one JSON document on stdout")
    show = actions.add_parser("show", help="what a run was asked, and how it ended")
    show.add_argument(
        "run", metavar="RUN", help="name, beginning or end of a name, folder or 'last'"
    )
    show.add_argument("--json", action="store_true", help="one JSON document on stdout")
    logs = actions.add_parser("logs", help="the log of a run's newest try")
    logs.add_argument("run", metavar="RUN")
    logs.add_argument("--tail", type=int, metavar="N", help="only the last N lines")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """List, show or print the log."""
    if arguments.action == "ls":
        return _ls(arguments, terminal)
    found = find_run(runs_root(), arguments.run)
    return _show(found, terminal) if arguments.action == "show" else _logs(found, arguments.tail)


def _ls(arguments: argparse.Namespace, terminal: Terminal) -> int:
    rows = []
    for found in list_runs(runs_root()):
        rows.append(_summary(found))
        if len(rows) == arguments.limit:
            break
    if terminal.json_only:
        terminal.json({"schema": _SCHEMA, "runs": rows})
    elif not rows:
        terminal.say(f"no runs in {runs_root()}")
    else:
        header = ("run", "kind", "status", "reason", "what")
        table = [
            [str(row[key]) for key in ("run", "kind", "status", "reason", "what")] for row in rows
        ]
        terminal.table(header, table)
    return 0


def _summary(found: RunFolder) -> dict[str, Any]:
    request = untrusted.read_json(found.path / REQUEST_FILE)
    try:
        status = found.status()
    except ResultError:
        status = None
    told = request.get("told", {})
    what = ",".join(told.get("tasks", [])) or request.get("workspace", "")
    return {
        "run": found.run_id,
        "kind": request.get("kind", "?"),
        "status": status.status if status else "unfinished",
        "reason": status.reason if status else "",
        "what": what,
        "folder": str(found.path),
    }


def _show(found: RunFolder, terminal: Terminal) -> int:
    document: dict[str, Any] = {"schema": "rdagent.run/1", "folder": str(found.path)}
    for name in (REQUEST_FILE, MANIFEST_FILE, "status.json"):
        if (found.path / name).exists():
            document[name.removesuffix(".json")] = untrusted.read_json(found.path / name)
    if terminal.json_only:
        terminal.json(document)
        return 0
    for key, value in _summary(found).items():
        terminal.say(f"{key:8} {value}")
    status = document.get("status", {})
    for key in ("started", "ended", "hint"):
        if status.get(key):
            terminal.say(f"{key:8} {status[key]}")
    for path in sorted(p for p in found.path.rglob("*") if p.is_file() and "in" not in p.parts):
        terminal.say(f"  {path.relative_to(found.path)}  {path.stat().st_size} bytes")
    return 0


def _logs(found: RunFolder, tail: int | None) -> int:
    logs = sorted(found.attempts.glob("*/log.txt"))
    if not logs:
        raise UsageError(
            f"the run {found.run_id} has no log", hint="It ended before its job began."
        )
    with logs[-1].open(encoding="utf-8", errors="replace") as lines:
        kept = list(lines)[-tail:] if tail else lines
        for line in kept:
            sys.stdout.write(printable(line))
    return 0
