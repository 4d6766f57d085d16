"""``rdagent``: finds the verb, runs it, and turns what went wrong into a message and a code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn, Protocol

from rdagent import __version__
from rdagent.cli.terminal import Terminal, print_error, shown
from rdagent.errors import InternalError, RDAgentError
from rdagent.jobs.interrupts import ignore_signals, raise_once

VERBS = {
    "doctor": "look at this machine: engine, GPU, disk, torch; say what to do",
    "build": "build the images, or find that nothing changed",
    "train": "fine-tune the model that a folder's train.yaml describes",
    "check-adapter": "say whether a LoRA folder can be evaluated, and how it is served",
    "eval": "evaluate an adapter, its base model, or both",
    "compare": "say whether a tuned model is better than its base, and how sure that is",
    "models": "models: what is here, whether it is whole, download one",
    "benchmarks": "the data that tasks are scored on: list, add files, fetch",
    "tasks": "list and search the tasks that can be evaluated by name",
    "homebench": "the HomeBench suite: score answers to requests to a smart home",
    "runs": "list runs, show one, read its log, end one, clean up",
    "demo": "fine-tune and evaluate a tiny model, from nothing to a table",
}
INTERRUPTED = 130
REPORT = "This is a mistake of ours. Please report it with the lines above."

EPILOG = """\
exit codes: 0 done; 1 a condition of --fail-on held; 2 usage; 3 inconclusive, where
--fail-on asks for it; 4 not comparable; 5 infrastructure (engine, image, disk); 6 failed
or incomplete; 10 our own mistake; 124 timeout; 130 interrupted."""


class Verb(Protocol):
    """What a verb's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's arguments."""

    def run(self, arguments: argparse.Namespace, terminal: Terminal) -> int:
        """Do it and return the exit code."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; the return value is the exit code."""
    given = list(sys.argv[1:] if words is None else words)
    parser, verb = _parser(given)
    arguments = parser.parse_args(given)
    if verb is None:
        parser.print_help()
        return 0 if not given else 2
    terminal = Terminal(json_only=getattr(arguments, "json", False))
    try:
        return verb.run(arguments, terminal)
    except RDAgentError as error:
        return _report(error, terminal)
    except KeyboardInterrupt:
        print_error("interrupted", "What had ended is kept; the same command runs the rest.")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _report(InternalError(f"{type(error).__name__}: {error}", hint=REPORT), terminal)


def _parser(given: list[str]) -> tuple[argparse.ArgumentParser, Verb | None]:
    parser = argparse.ArgumentParser(
        prog="rdagent",
        description="Fine-tune a model in one container, evaluate it in another, and know, "
        "with stated error, whether it got better.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rdagent {__version__}")
    commands = parser.add_subparsers(dest="verb", metavar="VERB")
    chosen = next((word for word in given if not word.startswith("-")), None)
    verb: Verb | None = None
    for name, summary in VERBS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name == chosen:
            module: Verb = importlib.import_module(f"rdagent.cli.{name.replace('-', '_')}")
            verb = module
            module.add_arguments(command)
    return parser, verb


def _report(error: RDAgentError, terminal: Terminal) -> int:
    if isinstance(error, InternalError):
        sys.stderr.write(shown(traceback.format_exc()))
    if terminal.json_only:
        terminal.json(
            {
                "schema": "rdagent.error/1",
                "error": error.message,
                "hint": error.hint,
                "exit_code": error.exit_code,
            }
        )
    print_error(error.message, error.hint)
    return error.exit_code


def command() -> NoReturn:
    """Be the process ``rdagent``.

    A closed terminal or a service manager ends a run as Ctrl-C does, and no further signal, while
    the end is said or Python itself ends, changes the exit code.
    """
    raise_once()
    try:
        code = main()
    except KeyboardInterrupt:  # before the verb began
        code = INTERRUPTED
    ignore_signals()
    sys.exit(code)


if __name__ == "__main__":
    command()
