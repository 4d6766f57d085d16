"""Evaluate the variants of a request, one process each, and write ``status.json`` last.

Called by ``__main__``; starts ``rdagent.inside.evaluate.variant``.  A variant that
fails does not stop the next one, unless it failed for the request's sake.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rdagent.errors import ResultError
from rdagent.files import atomic, paths
from rdagent.inside.evaluate import failures
from rdagent.inside.evaluate.merge import merged_folder
from rdagent.inside.evaluate.processes import Ending, Stopper, run_child
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.status import STATUS_FILE, InsideStatus, PartStatus

VARIANTS_FOLDER = "variants"
REQUEST_FILE = "request.json"
#: What an earlier run may have left where results are written.
_OURS = ("results.json", "samples_*.jsonl", "variant.json", STATUS_FILE)


def variant_folder(output: Path, variant: Variant) -> Path:
    """Return the folder of a variant's results."""
    return paths.contained(output / VARIANTS_FOLDER, variant.name)


def evaluate(
    request: EvaluateRequest, folders: Mapping[str, Path], stopper: Stopper
) -> InsideStatus:
    """Evaluate every variant into its folder; returns the status that was written."""
    output = Path(request.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / STATUS_FILE).unlink(missing_ok=True)
    parts: list[PartStatus] = []
    for variant in request.variants:
        parts.append(_next_part(request, variant, folders[variant.name], parts, stopper))
    status = summarise(parts)
    status.write(output)
    return status


def _next_part(
    request: EvaluateRequest,
    variant: Variant,
    folder: Path,
    earlier: list[PartStatus],
    stopper: Stopper,
) -> PartStatus:
    if stopper.requested:
        return PartStatus(variant.name, "cancelled", "stopped before it started")
    for part in earlier:
        if part.reason == "refused":
            # Every variant is asked the same: what was refused once is refused again.
            return PartStatus(variant.name, part.reason, part.message)
    return _evaluate_variant(request, variant, folder, stopper)


def _evaluate_variant(
    request: EvaluateRequest, variant: Variant, folder: Path, stopper: Stopper
) -> PartStatus:
    _clear(folder)
    part = replace(request, variants=(variant,), output=str(folder))
    atomic.write_json(folder / REQUEST_FILE, part.to_json())
    print(f"evaluate: variant {variant.name!r} starts", file=sys.stderr, flush=True)
    started = time.monotonic()
    status = PartStatus(variant.name, "ok")
    programs = ["rdagent.inside.evaluate.variant"]
    if variant.merge:
        programs.insert(0, "rdagent.inside.evaluate.merge")
    for program in programs:
        if status.reason == "ok":
            status = _run_program(program, variant, folder, stopper)
    if variant.merge:
        shutil.rmtree(merged_folder(part, variant), ignore_errors=True)
    seconds = time.monotonic() - started
    print(f"evaluate: variant {variant.name!r}: {status.reason}, {seconds:.1f} s", file=sys.stderr)
    return status


def _run_program(program: str, variant: Variant, folder: Path, stopper: Stopper) -> PartStatus:
    (folder / STATUS_FILE).unlink(missing_ok=True)
    arguments = [sys.executable, "-m", program, str(folder / REQUEST_FILE)]
    ending = run_child(arguments, stopper)
    return part_status(variant.name, folder, ending, stopped=stopper.requested)


def _clear(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in _OURS:
        for path in folder.glob(pattern):
            path.unlink()


def part_status(name: str, folder: Path, ending: Ending, *, stopped: bool) -> PartStatus:
    """Tell how a variant ended from what it wrote, how its process ended and what we did."""
    if stopped:
        return PartStatus(name, "cancelled", "stopped while it ran")
    try:
        status = failures.with_cause(InsideStatus.read(folder), ending.tail)
    except ResultError:
        status = failures.of_silent_child(ending.exit_code, ending.tail)
    if status.reason != "ok" and ending.memory_kills > 0:
        return PartStatus(name, "out_of_memory", "the kernel ended a process for memory")
    if status.reason == "ok" and ending.exit_code != 0:
        status = failures.of_silent_child(ending.exit_code, ending.tail)
    return PartStatus(name, status.reason, status.message)


def summarise(parts: list[PartStatus]) -> InsideStatus:
    """Return one status for all: ok, incomplete when some are scored, else the first failure."""
    failed = [part for part in parts if part.reason != "ok"]
    if not failed:
        return InsideStatus("ok", f"{len(parts)} of {len(parts)} variants scored", tuple(parts))
    first = failed[0]
    scored = len(parts) - len(failed)
    if first.reason == "refused":
        return InsideStatus(first.reason, first.message, tuple(parts))
    message = f"variant {first.name!r}: {first.message}"
    if scored == 0 or first.reason == "cancelled":
        return InsideStatus(first.reason, message, tuple(parts))
    told = f"{scored} of {len(parts)} variants scored; {message}"
    return InsideStatus("incomplete", told, tuple(parts))
