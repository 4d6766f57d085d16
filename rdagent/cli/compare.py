"""``rdagent compare``: say whether the candidate is better than the base, and how sure that is."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rdagent.cli.terminal import Terminal
from rdagent.comparison.compare import Options, compare
from rdagent.comparison.conditions import exit_code, read_conditions
from rdagent.comparison.document import to_json
from rdagent.comparison.formats import FORMATS, write_all, write_report
from rdagent.comparison.looks import note_look
from rdagent.comparison.operands import find_sources
from rdagent.comparison.read import read_side
from rdagent.comparison.report import Report, Settings
from rdagent.comparison.tasks import common_tasks
from rdagent.core.settings import runs_root
from rdagent.errors import UsageError

#: Flag → the format of the file that it names.
_FILES = ("html", "markdown", "csv", "junit")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "operands",
        nargs="+",
        metavar="OPERAND",
        help="a run, RUN:variant, a folder of lm_eval's or a results file; the base comes first;"
        " one run alone: its base against its adapters",
    )
    _add_question(parser.add_argument_group("the question"))
    _add_tasks(parser.add_argument_group("what is compared"))
    out = parser.add_argument_group("the report")
    out.add_argument(
        "--format", choices=sorted(FORMATS), default="text", help="what is printed (text)"
    )
    for name in _FILES:
        out.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write {name} there")
    out.add_argument("--out", type=Path, metavar="DIR", help="write every format there")
    out.add_argument(
        "--flips", type=_count, default=200, metavar="N", help="per task and direction (200)"
    )
    out.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_question(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--target", action="append", default=[], metavar="T,T", help="tasks that must improve"
    )
    group.add_argument(
        "--guard",
        action="append",
        default=[],
        metavar="T,T",
        help="tasks that must not fall by more than the margin",
    )
    group.add_argument(
        "--margin", type=_share, default=0.02, metavar="X", help="counts as equal: 0.02 or 2%%"
    )
    group.add_argument(
        "--effect",
        type=_share,
        default=0.05,
        metavar="X",
        help="smallest difference worth finding: 0.05 or 5%%",
    )
    group.add_argument(
        "--alpha", type=_level, default=0.05, metavar="X", help="error level of the whole (0.05)"
    )
    group.add_argument(
        "--seed", type=_count, default=1234, help="of resampling and of samples shown"
    )
    group.add_argument(
        "--fail-on",
        default="regression",
        metavar="C,C",
        help="regression (the rule), inconclusive, warning, or none",
    )
    group.add_argument(
        "--force", action="store_true", help="compare what is not comparable; every page says so"
    )


def _add_tasks(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--tasks", action="append", default=[], metavar="T,T", help="only these")
    group.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="TASK=METRIC[,FILTER]",
        help="in place of the one that the task is known by",
    )
    group.add_argument(
        "--cluster",
        action="append",
        default=[],
        metavar="TASK=FIELD",
        help="items that share this field of their document hang together",
    )


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Compare, print, write; the exit code says whether a condition of --fail-on held."""
    conditions = read_conditions(arguments.fail_on)
    options = _options(arguments)
    sources = find_sources(arguments.operands, runs_root())
    for source in sources:
        terminal.note(f"{source.name}: {source.said}")
    base, *candidates = [read_side(source) for source in sources]
    tasks = {task for side in candidates for task in common_tasks(base, side, options.tasks)}
    report = compare(
        base, candidates, options, note_look(runs_root(), base, candidates, sorted(tasks))
    )
    _print(report, arguments, terminal)
    return exit_code(report, conditions)


def _print(report: Report, arguments: argparse.Namespace, terminal: Terminal) -> None:
    for form in _FILES:
        path = getattr(arguments, form)
        if path is not None:
            write_report(report, form, path)
            terminal.note(f"{form}: {path}")
    if arguments.out is not None:
        write_all(report, arguments.out)
        terminal.note(f"reports: {arguments.out}")
    if terminal.json_only:
        terminal.json(to_json(report))
    elif arguments.format == "text":
        terminal.say(FORMATS["text"](report).rstrip("\n"))
    else:
        sys.stdout.write(FORMATS[arguments.format](report))


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        settings=Settings(
            alpha=arguments.alpha,
            margin=arguments.margin,
            effect=arguments.effect,
            seed=arguments.seed,
            targets=_words(arguments.target),
            guards=_words(arguments.guard),
        ),
        metrics=_pairs(arguments.metric, "--metric"),
        clusters=_pairs(arguments.cluster, "--cluster"),
        tasks=_words(arguments.tasks),
        flips=arguments.flips,
        force=arguments.force,
        command=shlex.join(["rdagent", *sys.argv[1:]]),
    )


def _words(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(word.strip() for text in given for word in text.split(",") if word.strip())
    )


def _pairs(given: Sequence[str], flag: str) -> dict[str, str]:
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise UsageError(f"{flag} {text}: TASK=VALUE is expected")
        found[name] = value
    return found


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number < 1 << 32:
        raise argparse.ArgumentTypeError(f"{text}: a whole number from 0 is expected")
    return number


def _level(text: str) -> float:
    number = _share(text)
    if not 1e-6 <= number <= 0.5:
        raise argparse.ArgumentTypeError(f"{text}: a level from 0.000001 to 0.5 is expected")
    return number


def _share(text: str) -> float:
    """Read ``0.02`` or ``2%``; a whole number without a sign is refused as it may mean either."""
    number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text}: a share between 0 and 1, or percent as 2%")
    return number
