"""``rdagent doctor``: can this machine do it, and what is to be done if not."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rdagent.cli.terminal import Terminal
from rdagent.core.settings import cache_root, runs_root
from rdagent.jobs.health import examine

_MARKS = {"ok": "ok", "note": "note", "warning": "WARNING", "problem": "PROBLEM"}
INFRASTRUCTURE = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print every check; the exit code is 5 when one is a problem."""
    checks = examine(runs_root(), cache_root())
    bad = [check for check in checks if check.state == "problem"]
    if terminal.json_only:
        rows = [asdict(check) for check in checks]
        terminal.json({"schema": "rdagent.doctor/1", "ok": not bad, "checks": rows})
        return INFRASTRUCTURE if bad else 0
    width = max(len(check.name) for check in checks)
    for check in checks:
        terminal.say(f"{check.name.ljust(width)}  {_MARKS[check.state]:8} {check.saw}")
        if check.hint and check.state != "ok":
            for line in check.hint.splitlines():
                terminal.say(f"{' ' * width}           {line}")
    terminal.say("this machine will do" if not bad else "this machine will not do yet")
    return INFRASTRUCTURE if bad else 0
