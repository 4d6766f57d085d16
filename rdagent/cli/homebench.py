"""``rdagent homebench ACTION``: the HomeBench suite; each action is a module of its own."""

from __future__ import annotations

import argparse
import importlib

from rdagent.cli.main import Verb
from rdagent.cli.terminal import Terminal

#: Action → what it does; ``rdagent.cli.homebench_ACTION`` is the module.
ACTIONS = {
    "data": "the data: check what is here, fetch the released, make some",
    "rag": "choose the rooms that prompts show, and say what that is worth",
    "run": "ask a model zero-shot, few-shot or with retrieval, and score it",
    "sft": "tune a model on training records, with the prompts that it will be asked",
    "score": "score answers, beside what needs no model and what the paper reports",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of every action."""
    actions = parser.add_subparsers(dest="action", metavar="|".join(ACTIONS), required=True)
    for name, summary in ACTIONS.items():
        _module(name).add_arguments(actions.add_parser(name, help=summary, description=summary))


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Do what the action does."""
    return _module(arguments.action).run(arguments, terminal)


def _module(action: str) -> Verb:
    module: Verb = importlib.import_module(f"rdagent.cli.homebench_{action.replace('-', '_')}")
    return module
