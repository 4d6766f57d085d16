"""``rdagent homebench data check|fetch|generate``: HomeBench's data, released or made."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from rdagent.cli.terminal import Terminal
from rdagent.errors import UsageError
from rdagent.files.printable import readable_size
from rdagent.suites.homebench.data.audit import (
    KINDS,
    RELEASED_SHOT_LEAKS,
    UNUSABLE,
    Audit,
    audit_data,
    read_shown,
)
from rdagent.suites.homebench.data.catalogue import VOCABULARIES
from rdagent.suites.homebench.data.fetch import SOURCE, fetch
from rdagent.suites.homebench.data.files import (
    DEFAULT_FOLDER,
    HOMES_FILE,
    SPLITS,
    is_released,
    read_data,
    split_files,
)
from rdagent.suites.homebench.data.generate import FILES, MANIFEST, Plan, generate, write
from rdagent.suites.homebench.data.records import count_categories
from rdagent.suites.homebench.scoring.categories import CATEGORIES

_ACTIONS = "check|fetch|generate"
_AUDITED, _FETCHED = "rdagent.homebench.audit/1", "rdagent.homebench.fetched/1"
_GENERATED = "rdagent.homebench.generated/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="data_action", metavar=_ACTIONS, required=True)
    check = actions.add_parser("check", help="read everything, and say what is wrong with it")
    _folder(check)
    check.add_argument(
        "--examples",
        type=Path,
        metavar="FILE",
        help="examples that models were shown, as JSON lines with input and output",
    )
    check.add_argument("--ids", action="store_true", help="list the records of every fault")
    _json(check)
    get = actions.add_parser("fetch", help="get the released files, with a network")
    _folder(get)
    get.add_argument(
        "--from", dest="source", default=SOURCE, metavar="URL", help="a folder with the files"
    )
    get.add_argument("--replace", action="store_true", help="put them in the place of what is here")
    _json(get)
    _add_generate(actions.add_parser("generate", help="make homes and requests to them"))


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="(dataset/)"
    )


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_generate(parser: argparse.ArgumentParser) -> None:
    plan = Plan(homes=100, records=2000)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where they go")
    parser.add_argument("--homes", type=int, default=plan.homes, metavar="N")
    parser.add_argument(
        "--records", type=int, default=plan.records, metavar="N", help="of all splits together"
    )
    parser.add_argument("--language", choices=("en", "zh", "both"), default=plan.language)
    for name, default, what in (
        ("rooms", plan.rooms, "rooms of a home"),
        ("devices", plan.devices, "devices of a room"),
        ("operations", plan.operations, "parts of a request that has several"),
    ):
        parser.add_argument(
            f"--{name}",
            type=_range,
            default=default,
            metavar="A-B",
            help=f"{what} ({default[0]}-{default[1]})",
        )
    parser.add_argument(
        "--relative",
        type=float,
        default=plan.relative,
        metavar="SHARE",
        help="numbers that are changed by so much, instead of set",
    )
    parser.add_argument(
        "--vocabulary",
        choices=sorted(VOCABULARIES),
        default=plan.vocabulary,
        help="released: HomeBench's devices; plain: the demo's, which a tiny model can learn",
    )
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument(
        "--split",
        type=_shares,
        default=dict(plan.split),
        metavar="S",
        help="shares of the homes: train=.8,valid=.1,test=.1",
    )
    parser.add_argument(
        "--replace", action="store_true", help="put it in the place of what is there"
    )
    _json(parser)


def _range(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", text, re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(f"{text}: a number or two, as in 2-3")
    return int(found[1]), int(found[2] or found[1])


def _shares(text: str) -> dict[str, float]:
    shares = {}
    for part in text.split(","):
        name, sign, share = part.partition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            sign = ""
        if not sign:
            raise argparse.ArgumentTypeError(f"{text}: write train=.8,valid=.1,test=.1")
    return shares


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Check, fetch or generate."""
    actions = {"check": _check, "fetch": _fetch, "generate": _generate}
    return actions[arguments.data_action](arguments, terminal)


def _check(arguments: argparse.Namespace, terminal: Terminal) -> int:
    folder: Path = arguments.data_dir
    data = read_data(folder)
    files = {split: split_files(folder, split) for split in data.splits}
    released = {split: all(is_released(path) for path in paths) for split, paths in files.items()}
    audits = audit_data(
        data,
        read_shown(arguments.examples) if arguments.examples else (),
        RELEASED_SHOT_LEAKS if released.get("test") else (),
    )
    if terminal.json_only:
        terminal.json(
            {
                "schema": _AUDITED,
                "folder": str(folder),
                "homes": len(data.homes),
                "kinds": dict(KINDS),
                "unusable": list(UNUSABLE),
                "splits": {
                    audit.split: {"released": released[audit.split], **audit.to_json()}
                    for audit in audits
                },
            }
        )
        return 0
    terminal.say(f"{len(data.homes)} homes in {folder / HOMES_FILE}")
    for audit in audits:
        known = " (the released file, byte for byte)" if released[audit.split] else ""
        terminal.say(f"\n{audit.split}: {sum(audit.categories.values())} records{known}")
        _say_audit(audit, terminal, with_ids=arguments.ids)
    return 0


def _say_audit(audit: Audit, terminal: Terminal, *, with_ids: bool) -> None:
    terminal.say(", ".join(f"{name} {count}" for name, count in audit.categories.items()))
    rows = [
        (str(len(ids)), kind, "no" if kind in UNUSABLE else "yes", KINDS[kind])
        for kind, ids in audit.faults.items()
        if ids
    ]
    if rows:
        terminal.table(("records", "fault", "usable", "what it is"), rows)
    terminal.say(f"{audit.usable} usable: what --exclude-audited leaves")
    if with_ids:
        for kind, ids in audit.faults.items():
            for id_ in ids:
                terminal.say(f"{kind} {id_}")


def _fetch(arguments: argparse.Namespace, terminal: Terminal) -> int:
    with terminal.progress("fetching") as progress:
        fetched = fetch(
            arguments.data_dir, arguments.source, replace=arguments.replace, say=progress.update
        )
    if terminal.json_only:
        files = [{"name": f.name, "bytes": f.bytes, "was_here": f.was_here} for f in fetched]
        terminal.json({"schema": _FETCHED, "folder": str(arguments.data_dir), "files": files})
        return 0
    for file in fetched:
        how = "here already" if file.was_here else "fetched"
        terminal.say(f"{file.name}: {readable_size(file.bytes)}, {how}")
    terminal.say("No licence is stated for these files: they are for your own use.")
    terminal.say(f"Look at them: rdagent homebench data check --data-dir {arguments.data_dir}")
    return 0


def _generate(arguments: argparse.Namespace, terminal: Terminal) -> int:
    folder: Path = arguments.out
    there = [name for name in (HOMES_FILE, MANIFEST) if (folder / name).exists()]
    there += [path.name for split in SPLITS for path in split_files(folder, split)]
    if there and not arguments.replace:
        raise UsageError(
            f"{folder} has {there[0]} already", hint="Give --replace, or another folder."
        )
    generated = generate(
        Plan(
            homes=arguments.homes,
            records=arguments.records,
            language=arguments.language,
            rooms=arguments.rooms,
            devices=arguments.devices,
            operations=arguments.operations,
            relative=arguments.relative,
            vocabulary=arguments.vocabulary,
            seed=arguments.seed,
            split=arguments.split,
        )
    )
    for name in {*there} - {HOMES_FILE, MANIFEST, *(FILES[split] for split in generated.splits)}:
        (folder / name).unlink()
    names = write(generated, folder)
    counts = {split: count_categories(records) for split, records in generated.splits.items()}
    if terminal.json_only:
        document: dict[str, Any] = {"schema": _GENERATED, "folder": str(folder)}
        terminal.json({**document, "files": list(names), "categories": counts})
        return 0
    header = ("split", "homes", "records", *CATEGORIES)
    rows = []
    for split, records in generated.splits.items():
        homes = len({record.home_id for record in records})
        rows.append((split, str(homes), str(len(records)), *map(str, counts[split].values())))
    terminal.table(header, rows)
    terminal.say(f"in {folder}: {', '.join(names)}")
    return 0
