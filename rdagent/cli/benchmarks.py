"""``rdagent benchmarks ls|add|fetch``: the data that tasks are scored on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rdagent.cli.terminal import Terminal
from rdagent.errors import UsageError
from rdagent.evaluation.benchmarks import all_of, damage, data_folder
from rdagent.evaluation.benchmarks_add import Added, AddRequest, add
from rdagent.evaluation.benchmarks_fetch import Fetched, FetchRequest, fetch, fetch_job
from rdagent.files.printable import readable_size
from rdagent.jobs.backends.choose import choose_backend
from rdagent.models.access import hub_access
from rdagent.records.benchmarks import DataSet

_SCHEMA = "rdagent.benchmarks/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ls|add|fetch", required=True)
    ls = actions.add_parser("ls", help="what is here")
    ls.add_argument("pattern", nargs="?", default="", metavar="PATTERN", help="part of a name")
    _json(ls)
    new = actions.add_parser("add", help="make a built-in task run on files of yours")
    new.add_argument("task", metavar="TASK")
    for role, what in (
        ("test", "the items that are scored"),
        ("validation", "the items of the task's validation split"),
        ("train", "what examples are drawn from"),
    ):
        new.add_argument(f"--{role}", metavar="FILE", type=Path, help=what)
    new.add_argument(
        "--split",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a split by the name that the task's configuration gives it",
    )
    new.add_argument("--replace", action="store_true", help="put it in the place of what is here")
    _json(new)
    get = actions.add_parser("fetch", help="get the data of tasks from the hub, with a network")
    get.add_argument("tasks", nargs="+", metavar="TASK", help="tasks, groups or tags")
    get.add_argument("--replace", action="store_true", help="fetch what is here again")
    get.add_argument("--timeout", type=float, default=3600, metavar="SECONDS")
    get.add_argument(
        "--send-token", action="store_true", help="send HF_TOKEN to another hub than the official"
    )
    get.add_argument("--dry-run", action="store_true", help="show the job and start nothing")
    _json(get)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """List, add or fetch."""
    if arguments.action == "ls":
        return _ls(arguments.pattern, terminal)
    if arguments.action == "add":
        return _add(arguments, terminal)
    return _fetch(arguments, terminal)


def _ls(pattern: str, terminal: Terminal) -> int:
    folder = data_folder()
    rows = [
        _row(place, data_set)
        for place, data_set in all_of(folder)
        if pattern.lower() in f"{data_set.source.said} {data_set.task}".lower()
    ]
    if terminal.json_only:
        terminal.json({"schema": _SCHEMA, "folder": str(folder), "benchmarks": rows})
    elif not rows:
        terminal.say(f"no benchmark data{f' for {pattern!r}' if pattern else ''} in {folder}")
    else:
        _table(rows, terminal)
    return 0


def _row(place: Path, data_set: DataSet) -> dict[str, Any]:
    return {
        "data_set": data_set.source.said,
        "task": data_set.task,
        "origin": data_set.origin,
        "splits": {name: split.rows for name, split in data_set.splits.items()},
        "bytes": data_set.bytes,
        "digest": data_set.digest,
        "revision": data_set.revision or None,
        "damage": damage(place, data_set),
        "folder": str(place),
    }


def _table(rows: list[dict[str, Any]], terminal: Terminal) -> None:
    header = ("task", "data set", "splits", "size", "from", "usable")
    table = []
    for row in rows:
        splits = ", ".join(f"{name} {rows_ or '?'}" for name, rows_ in row["splits"].items())
        usable = "no" if row["damage"] else "yes"
        size = readable_size(row["bytes"])
        table.append((row["task"], row["data_set"], splits, size, row["origin"], usable))
    terminal.table(header, table)
    for row in rows:
        if row["damage"]:
            terminal.say(f"{row['data_set']}: {row['damage']}")


def _add(arguments: argparse.Namespace, terminal: Terminal) -> int:
    roles = {
        role: getattr(arguments, role)
        for role in ("test", "validation", "train")
        if getattr(arguments, role)
    }
    splits = dict(_named(text) for text in arguments.split)
    request = AddRequest(arguments.task, roles, splits, replace=arguments.replace)
    added = add(request, data_folder())
    if terminal.json_only:
        document = _row(added.folder, added.data_set)
        terminal.json({"schema": _SCHEMA, "added": document, "notes": list(added.notes)})
    else:
        _say_added(added, terminal)
    return 0


def _named(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not (name and sign and path):
        raise UsageError(f"{text!r} names no split", hint="Write --split NAME=FILE.")
    return name, Path(path)


def _say_added(added: Added, terminal: Terminal) -> None:
    for name, split in added.data_set.splits.items():
        rows = f"{split.rows} rows" if split.rows is not None else "rows not counted"
        columns = f": {', '.join(split.columns)}" if split.columns else ""
        terminal.say(f"{name:12} {rows}{columns}")
    terminal.say(f"{added.task} runs on {added.folder}")
    for note in added.notes:
        terminal.say(f"note: {note}")


def _fetch(arguments: argparse.Namespace, terminal: Terminal) -> int:
    access = hub_access(send_token=arguments.send_token)
    for note in access.notes:
        terminal.note(f"note: {note}")
    request = FetchRequest(
        tuple(name for text in arguments.tasks for name in text.split(",")),
        arguments.timeout,
        arguments.replace,
    )
    spec, _ = fetch_job(request, data_folder(), access)
    if arguments.dry_run:
        terminal.json(spec.to_json())
        return 0
    backend = choose_backend()
    with terminal.progress("fetching") as progress:
        backend.ensure("lm-eval", progress=progress.update)
        fetched = fetch(request, data_folder(), backend, access, progress.update)
    if terminal.json_only:
        terminal.json(_fetched_json(fetched))
    else:
        _say_fetched(fetched, terminal)
    return fetched.exit_code


def _fetched_json(fetched: Fetched) -> dict[str, Any]:
    folder = data_folder()
    return {
        "schema": _SCHEMA,
        "fetched": [_row(folder / found.source.folder, found) for found in fetched.data_sets],
        "were_here": list(fetched.were_here),
        "failed": list(fetched.failed),
        "reason": fetched.reason,
    }


def _say_fetched(fetched: Fetched, terminal: Terminal) -> None:
    for data_set in fetched.data_sets:
        splits = ", ".join(f"{name} {split.rows}" for name, split in data_set.splits.items())
        terminal.say(f"{data_set.source.said}: {splits}, {readable_size(data_set.bytes)}")
    if fetched.were_here:
        terminal.say(f"here already: {', '.join(fetched.were_here)}")
    for line in fetched.failed:
        terminal.say(f"not to be had: {line}")
    if fetched.reason != "ok":
        terminal.say(f"{fetched.reason}")
        for line in fetched.hint.splitlines():
            terminal.say(f"  {line}")
    if fetched.run_folder:
        terminal.say(f"    {fetched.run_folder}")
