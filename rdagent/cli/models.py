"""``rdagent models ls|check|download``: the models of this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rdagent.cli.terminal import Terminal
from rdagent.core.settings import finetune_settings
from rdagent.errors import RefusedError
from rdagent.files.printable import readable_size
from rdagent.models.access import hub_access
from rdagent.models.completeness import ModelReport, inspect_model
from rdagent.models.download import Download, Downloaded, download, plan
from rdagent.models.resolve import all_folders, find_folder

_SCHEMA = "rdagent.models/1"
_CHECK_SCHEMA = "rdagent.model-check/1"
_DOWNLOAD_SCHEMA = "rdagent.model-download/1"
_NOT_WHOLE = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ls|check|download", required=True)
    ls = actions.add_parser("ls", help="models under models/ and in the hub's cache")
    ls.add_argument("pattern", nargs="?", default="", metavar="PATTERN", help="part of a name")
    check = actions.add_parser("check", help="whether a model is whole, without a network")
    check.add_argument("model", metavar="DIR|ID")
    check.add_argument(
        "--deep", action="store_true", help="compare every file with the download's manifest"
    )
    get = actions.add_parser("download", help="get a model from the hub, whole and checked")
    get.add_argument("model", metavar="ID", help="such as Qwen/Qwen3-0.6B")
    get.add_argument("--revision", default="main", metavar="R", help="branch, tag or commit")
    get.add_argument("--to", type=Path, metavar="DIR", help="default: models/ID")
    get.add_argument("--replace", action="store_true", help="put it in the place of what is there")
    get.add_argument("--dry-run", action="store_true", help="list files and sizes, get nothing")
    get.add_argument(
        "--send-token", action="store_true", help="send HF_TOKEN to another hub than the official"
    )
    for action in (ls, check, get):
        action.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """List, check or download."""
    if arguments.action == "ls":
        return _ls(arguments.pattern, terminal)
    if arguments.action == "check":
        return _check(arguments, terminal)
    return _download(arguments, terminal)


def _models() -> Path:
    return finetune_settings().file_path / "models"


def _ls(pattern: str, terminal: Terminal) -> int:
    found = [
        (name, inspect_model(folder))
        for name, folder in all_folders(_models())
        if pattern.lower() in name.lower()
    ]
    if terminal.json_only:
        rows = [{"name": name, **report.to_json()} for name, report in found]
        terminal.json({"schema": _SCHEMA, "folder": str(_models()), "models": rows})
    elif not found:
        terminal.say(f"no models{f' for {pattern!r}' if pattern else ''} in {_models()}")
        terminal.say("nor in the hub's cache; 'rdagent models download ID' gets one")
    else:
        header = ("model", "size", "parameters", "dtype", "template", "usable", "commit")
        terminal.table(header, [_row(name, report) for name, report in found])
        for name, report in found:
            for problem in report.problems:
                terminal.say(f"{name}: {problem.message}")
    return 0


def _row(name: str, report: ModelReport) -> tuple[str, ...]:
    return (
        name,
        readable_size(report.bytes),
        _count(report.parameters),
        next(iter(report.dtypes), ""),
        "yes" if report.template else "no",
        "yes" if report.ok else "no",
        report.commit[:12],
    )


def _count(number: int) -> str:
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def _check(arguments: argparse.Namespace, terminal: Terminal) -> int:
    folder = find_folder(arguments.model, _models())
    if folder is None:
        raise RefusedError(
            f"the model {arguments.model} is not on this machine",
            hint="'rdagent models ls' lists what is here.",
        )
    report = inspect_model(folder, deep=arguments.deep)
    if terminal.json_only:
        terminal.json({"schema": _CHECK_SCHEMA, "name": arguments.model, **report.to_json()})
        return 0 if report.ok else _NOT_WHOLE
    kinds = ", ".join(f"{name} {_count(count)}" for name, count in report.dtypes.items())
    terminal.say(f"folder      {report.folder}")
    terminal.say(f"model type  {report.model_type or 'unknown'}")
    terminal.say(f"size        {readable_size(report.bytes)}")
    terminal.say(f"parameters  {_count(report.parameters)}{f' ({kinds})' if kinds else ''}")
    terminal.say(f"template    {'yes' if report.template else 'no chat template'}")
    if report.commit:
        terminal.say(f"commit      {report.commit}")
    for problem in report.problems:
        terminal.say(f"{problem.code}: {problem.message}")
        terminal.say(f"  {problem.fix}")
    terminal.say("whole" if report.ok else "not usable")
    return 0 if report.ok else _NOT_WHOLE


def _download(arguments: argparse.Namespace, terminal: Terminal) -> int:
    access = hub_access(send_token=arguments.send_token)
    for note in access.notes:
        terminal.note(f"note: {note}")
    target = arguments.to or _models() / arguments.model
    wanted = plan(access.hub, arguments.model, arguments.revision, target)
    if arguments.dry_run:
        return _show(wanted, terminal)
    with terminal.progress(f"getting {arguments.model}") as progress:
        done = download(access.hub, wanted, replace=arguments.replace, say=progress.update)
    if terminal.json_only:
        terminal.json({"schema": _DOWNLOAD_SCHEMA, **_wanted_json(wanted), **_done_json(done)})
        return 0
    how = (
        "was here already" if done.was_here else f"{readable_size(done.bytes)}, every file checked"
    )
    terminal.say(f"{arguments.model} at {done.commit[:12]}: {how}")
    terminal.say(f"    {done.folder}")
    return 0


def _show(wanted: Download, terminal: Terminal) -> int:
    if terminal.json_only:
        terminal.json({"schema": _DOWNLOAD_SCHEMA, **_wanted_json(wanted), "got": False})
        return 0
    terminal.table(("file", "size"), [(f.path, readable_size(f.bytes)) for f in wanted.files])
    terminal.say(f"{readable_size(wanted.bytes)} in all, commit {wanted.model.commit}")
    return 0


def _wanted_json(wanted: Download) -> dict[str, Any]:
    return {
        "name": wanted.model.name,
        "commit": wanted.model.commit,
        "revision": wanted.revision,
        "folder": str(wanted.target),
        "bytes": wanted.bytes,
        "files": [{"path": file.path, "bytes": file.bytes} for file in wanted.files],
    }


def _done_json(done: Downloaded) -> dict[str, Any]:
    return {"got": True, "was_here": done.was_here}
