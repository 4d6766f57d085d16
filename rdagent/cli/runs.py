"""``rdagent runs ls|show|logs|subset|cancel|clean``: what was run, and what becomes of it."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from rdagent.cli.terminal import Terminal
from rdagent.core.settings import runs_root
from rdagent.errors import InfrastructureError, RefusedError, ResultError, UsageError
from rdagent.evaluation.subsets import WHERE, results_of, subset_of_results
from rdagent.files import untrusted
from rdagent.files.printable import printable
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.backends.choose import choose_backend
from rdagent.jobs.cancel import cancel_run
from rdagent.jobs.clean import Choice, removable, remove_run, size_of
from rdagent.jobs.reaper import reap
from rdagent.jobs.runs import MANIFEST_FILE, REQUEST_FILE, RunFolder, find_run, list_runs

_SCHEMA = "rdagent.runs/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(
        dest="action", metavar="ls|show|logs|subset|cancel|clean", required=True
    )
    ls = actions.add_parser("ls", help="list the runs, the newest first")
    ls.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default 20)")
    ls.add_argument("--json", action="store_true", help="one JSON document on stdout")
    show = actions.add_parser("show", help="what a run was asked, and how it ended")
    show.add_argument(
        "run", metavar="RUN", help="name, beginning or end of a name, --name, folder or 'last'"
    )
    show.add_argument("--json", action="store_true", help="one JSON document on stdout")
    logs = actions.add_parser("logs", help="the log of a run's newest try")
    logs.add_argument("run", metavar="RUN")
    logs.add_argument("--tail", type=int, metavar="N", help="only the last N lines")
    _add_subset(actions)
    cancel = actions.add_parser("cancel", help="end a run; what it has done is kept")
    cancel.add_argument("run", metavar="RUN")
    clean = actions.add_parser(
        "clean", help="remove runs, and jobs that nobody watches; without a condition only jobs"
    )
    clean.add_argument("--failed", action="store_true", help="only runs that did not end well")
    clean.add_argument("--older-than", metavar="AGE", help="as 30d, 12h or 45m")
    clean.add_argument("--dry-run", action="store_true", help="say what would go and keep it")
    clean.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_subset(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    subset = actions.add_parser("subset", help="name documents of a run for 'eval --subset'")
    subset.add_argument("run", metavar="RUN[:VARIANT]")
    subset.add_argument("--where", choices=WHERE, required=True, help="how they were answered")
    subset.add_argument(
        "--task", action="append", default=[], metavar="T", help="only of this one (repeatable)"
    )
    subset.add_argument("--out", type=Path, required=True, metavar="FILE")
    subset.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """List, show or print the log."""
    if arguments.action == "ls":
        return _ls(arguments, terminal)
    if arguments.action == "clean":
        return _clean(arguments, terminal)
    if arguments.action == "subset":
        return _subset(arguments, terminal)
    found = find_run(runs_root(), arguments.run)
    if arguments.action == "cancel":
        return _cancel(found, terminal)
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
        header = ("run", "kind", "status", "reason", "what", "name")
        table = [[str(row[key]) for key in header] for row in rows]
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
        "name": request.get("label", ""),
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


def _subset(arguments: argparse.Namespace, terminal: Terminal) -> int:
    name, colon, variant = arguments.run.rpartition(":")
    found = find_run(runs_root(), name if colon else arguments.run)
    folder = results_of(found.path, variant if colon else "")
    title = f"{arguments.where} of {found.run_id}:{folder.name}"
    made = subset_of_results(folder, arguments.where, title, tasks=arguments.task)
    try:
        made.subset.write(arguments.out)
    except OSError as error:
        raise UsageError(f"--out {arguments.out}: {error.strerror}") from None
    if terminal.json_only:
        terminal.json({**made.subset.to_json(), "empty": list(made.empty)})
        return 0
    terminal.say(f"{arguments.out}: {made.subset.said}")
    if made.empty:
        terminal.say(f"none of {', '.join(made.empty)}")
    return 0


def _cancel(found: RunFolder, terminal: Terminal) -> int:
    before = found.status()
    status = cancel_run(found, _backend())
    if before is not None:
        terminal.say(f"{found.run_id} had ended already: {status.status} ({status.reason})")
    else:
        terminal.say(f"{found.run_id}: {status.status} ({status.reason})")
        terminal.say("The same command again goes on with it.")
    return 0


def _backend() -> Backend | None:
    """Return where jobs run, or None when it does not answer: then no job can be left there."""
    try:
        return choose_backend()
    except (InfrastructureError, RefusedError):
        return None


def _clean(arguments: argparse.Namespace, terminal: Terminal) -> int:
    choice = Choice(arguments.failed, _age(arguments.older_than))
    backend = None if arguments.dry_run else _backend()
    jobs = [job.name for job in reap(backend)] if backend else []
    rows = []
    for found in removable(runs_root(), choice):
        rows.append({"run": found.run_id, "bytes": size_of(found), "folder": str(found.path)})
        if not arguments.dry_run:
            remove_run(found)
    total = sum(int(str(row["bytes"])) for row in rows)
    if terminal.json_only:
        document = {"schema": "rdagent.clean/1", "dry_run": arguments.dry_run, "runs": rows}
        terminal.json({**document, "jobs": jobs, "bytes": total})
        return 0
    for row in rows:
        terminal.say(f"{row['run']}  {row['bytes']} bytes")
    for name in jobs:
        terminal.say(f"{name}  a job that nobody watched")
    verb = "would be removed" if arguments.dry_run else "removed"
    terminal.say(f"{len(rows)} runs, {total / 1e6:.1f} MB, {len(jobs)} jobs {verb}")
    if choice.says_nothing:
        terminal.say("Runs stay unless --failed or --older-than says which may go.")
    return 0


def _age(text: str | None) -> timedelta | None:
    if text is None:
        return None
    units = {"d": "days", "h": "hours", "m": "minutes"}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or len(number) > 6:
        raise UsageError(f"--older-than {text}: no age", hint="Such as 30d, 12h or 45m.")
    return timedelta(**{units[unit]: int(number)})
