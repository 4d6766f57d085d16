"""``rdagent check-adapter``: whether a LoRA folder can be evaluated, and how it is served."""

from __future__ import annotations

import argparse
from pathlib import Path

from rdagent.adapters.check import Report
from rdagent.cli.terminal import Terminal
from rdagent.core.settings import finetune_settings
from rdagent.errors import AdapterInvalid
from rdagent.evaluation.adapter_check import check_on_model
from rdagent.evaluation.convert import convert, needs_conversion
from rdagent.jobs.backends.choose import choose_backend
from rdagent.models.resolve import resolve_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folder", metavar="DIR", type=Path, help="LoRA folder, or one above its checkpoints"
    )
    parser.add_argument(
        "--base-model",
        metavar="M",
        help="folder or name; default: the adapter's own, if it is here",
    )
    parser.add_argument(
        "--convert",
        action="store_true",
        help="turn a pickled adapter_model.bin into safetensors first, in a container",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Check, print what was found, return 0 when the adapter can be evaluated and 6 when not."""
    model = None
    if arguments.base_model:
        model = resolve_model(arguments.base_model, finetune_settings().file_path / "models")
    if arguments.convert:
        _convert(arguments.folder, terminal)
    report = check_on_model(arguments.folder, model)
    if terminal.json_only:
        terminal.json(report.to_json())
    else:
        print_report(report, terminal)
    return 0 if report.ok else AdapterInvalid.exit_code


def _convert(folder: Path, terminal: Terminal) -> None:
    if not needs_conversion(folder):
        terminal.note(f"nothing to convert in {folder}")
        return
    backend = choose_backend()
    with terminal.progress("converting") as progress:
        backend.ensure("lm-eval", progress=progress.update)
        written = convert(folder, backend)
    terminal.note(f"wrote {written}; the pickle stays as it was")


def print_report(report: Report, terminal: Terminal) -> None:
    """Print every finding with what to do about it, then the verdict."""
    for found in report.problems:
        terminal.say(f"{found.severity:<8} {found.code}: {found.message}")
        terminal.say(f"         {found.fix}")
    terminal.say(f"{report.path}: {_verdict(report)}")


def _verdict(report: Report) -> str:
    if report.adapter is None or not report.ok:
        count = len(report.errors)
        return f"cannot be evaluated ({count} error{'s' if count > 1 else ''})"
    serving = report.adapter.serving
    if serving.is_plain:
        return "ok, on vLLM and on hf"
    how = "merged first on vLLM" if serving.can_merge else "not on vLLM"
    return f"ok, as it is on hf, {how}"
