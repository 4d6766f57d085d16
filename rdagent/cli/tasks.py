"""``rdagent tasks ls|search|presets``: what can be evaluated by name, alone or as a set."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rdagent.cli.terminal import Terminal
from rdagent.core.settings import finetune_settings
from rdagent.errors import UnknownTaskError
from rdagent.evaluation.benchmarks import data_folder
from rdagent.evaluation.presets import Preset, shipped
from rdagent.evaluation.task_list import TaskList, TaskRow

_SCHEMA = "rdagent.tasks/1"
_PRESETS_SCHEMA = "rdagent.presets/1"
_DATA = {"here": "yes", "partly": "partly", "missing": "no", "own": "by the task"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ls|search|presets", required=True)
    ls = actions.add_parser("ls", help="list every name")
    ls.add_argument("words", nargs="*", metavar="WORD", help="only names that hold every word")
    search = actions.add_parser("search", help="names and data sets that hold every word")
    search.add_argument("words", nargs="+", metavar="WORD")
    for action in (ls, search):
        action.add_argument("--kind", choices=["task", "group", "tag"], help="only these")
        action.add_argument("--here", action="store_true", help="only those whose data are here")
        action.add_argument(
            "--include", action="append", default=[], metavar="DIR", help="your own tasks as well"
        )
        action.add_argument("--json", action="store_true", help="one JSON document on stdout")
    presets = actions.add_parser("presets", help="the named sets of tasks for 'eval --preset'")
    presets.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """List what was looked for; finding nothing is an error with near names."""
    if arguments.action == "presets":
        return _presets(terminal)
    include = [Path(folder) for folder in arguments.include]
    include += [Path(folder) for folder in finetune_settings().benchmark_include]
    tasks = TaskList(data_folder(), include)
    rows = [row for row in tasks.rows(arguments.words) if _wanted(row, arguments)]
    also = tasks.also_called(arguments.words)
    if terminal.json_only:
        also_json = {name: list(names) for name, names in also.items()}
        told = [row.to_json() for row in rows]
        terminal.json({"schema": _SCHEMA, "tasks": told, "aliases": also_json})
        return 0
    if not rows and not also:
        near = ", ".join(tasks.near(arguments.words))
        hint = f"Near names: {near}." if near else "'rdagent tasks ls' lists every name."
        raise UnknownTaskError(f"no task holds {' '.join(arguments.words)!r}", hint=hint)
    if rows:
        _table(rows, terminal)
    for name, stands_for in also.items():
        terminal.say(f"{name} is taken as {', '.join(stands_for)}")
    return 0


def _presets(terminal: Terminal) -> int:
    if terminal.json_only:
        terminal.json({"schema": _PRESETS_SCHEMA, "presets": [_told(one) for one in shipped()]})
        return 0
    for preset in shipped():
        terminal.say(preset.said)
        terminal.say(f"  {preset.description}")
        for one in preset.tasks:
            shots = "" if one.num_fewshot is None else f", {one.num_fewshot} examples"
            terminal.say(f"  {one.task}: {one.primary or 'its own primary metric'}{shots}")
    return 0


def _told(preset: Preset) -> dict[str, Any]:
    tasks = [asdict(one) for one in preset.tasks]
    return {**asdict(preset), "tasks": tasks, "digest": preset.digest}


def _wanted(row: TaskRow, arguments: argparse.Namespace) -> bool:
    if arguments.kind and row.kind != arguments.kind:
        return False
    return not arguments.here or row.data == "here"


def _table(rows: list[TaskRow], terminal: Terminal) -> None:
    header = ("name", "kind", "asks for", "data set", "data here")
    table = [(row.name, row.kind, _asks(row), row.data_set, _DATA[row.data]) for row in rows]
    terminal.table(header, table)
    terminal.note(f"{len(rows)} names")


def _asks(row: TaskRow) -> str:
    if row.kind != "task":
        return f"{row.tasks} tasks"
    return f"{row.output_type} (runs code, refused)" if row.unsafe else row.output_type
