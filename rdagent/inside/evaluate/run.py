"""Evaluate the variants of a request, and write ``status.json`` last.

Called by ``__main__``; starts ``rdagent.inside.evaluate.group`` once for the variants
that share a model.  What fails does not stop the next, unless it failed for the
request's sake.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from rdagent.errors import ResultError
from rdagent.files import atomic, paths
from rdagent.inside.evaluate import failures, stopping
from rdagent.inside.evaluate.answering import Shard
from rdagent.inside.evaluate.group import Work
from rdagent.inside.evaluate.grouping import Group, groups_of
from rdagent.inside.evaluate.merge import merged_folder
from rdagent.inside.evaluate.processes import Ending, Stopper, run_child
from rdagent.records.answered import ANSWERED_FILE
from rdagent.records.progress import PROGRESS_FILE
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.status import STATUS_FILE, InsideStatus, PartStatus

VARIANTS_FOLDER = "variants"
PLAN_FOLDER, GROUPS_FOLDER = "plan", "groups"
REQUEST_FILE, WORK_FILE = "request.json", "work.json"
GROUP_PROGRAM = "rdagent.inside.evaluate.group"
#: What an earlier run may have left where results are written.
_OURS = (
    "results.json",
    "samples_*.jsonl",
    "variant.json",
    STATUS_FILE,
    "ledger*.jsonl",
    ANSWERED_FILE,
)


def variant_folder(output: Path, variant: Variant) -> Path:
    """Return the folder of a variant's results."""
    return paths.contained(output / VARIANTS_FOLDER, variant.name)


def evaluate(
    request: EvaluateRequest, folders: Mapping[str, Path], stopper: Stopper
) -> InsideStatus:
    """Evaluate every variant into its folder; returns the status that was written."""
    output = Path(request.output)
    output.mkdir(parents=True, exist_ok=True)
    for left in (STATUS_FILE, PROGRESS_FILE):
        (output / left).unlink(missing_ok=True)
    parts: dict[str, PartStatus] = {}
    groups = groups_of(request)
    if refused := stopping.why_not(request, groups):
        parts = {one.name: PartStatus(one.name, "refused", refused) for one in request.variants}
        groups = []
    for number, group in enumerate(groups):
        place = output / GROUPS_FOLDER / str(number)
        for part in _next_parts(request, group, folders, place, list(parts.values()), stopper):
            parts[part.name] = part
    shutil.rmtree(output / GROUPS_FOLDER, ignore_errors=True)
    status = summarise([parts[variant.name] for variant in request.variants])
    status.write(output)
    return status


def _next_parts(
    request: EvaluateRequest,
    group: Group,
    folders: Mapping[str, Path],
    place: Path,
    earlier: list[PartStatus],
    stopper: Stopper,
) -> list[PartStatus]:
    names = [variant.name for variant in group.variants]
    if stopper.requested:
        return [PartStatus(name, "cancelled", "stopped before it started") for name in names]
    for part in earlier:
        if part.reason == "refused":
            # Every variant is asked the same: what was refused once is refused again.
            return [PartStatus(name, part.reason, part.message) for name in names]
    return _evaluate_group(request, group, folders, place, stopper)


def _evaluate_group(
    request: EvaluateRequest,
    group: Group,
    folders: Mapping[str, Path],
    place: Path,
    stopper: Stopper,
) -> list[PartStatus]:
    for variant in group.variants:
        _clear(folders[variant.name])
    place.mkdir(parents=True, exist_ok=True)
    part = replace(request, variants=group.variants)
    plan = Path(request.output) / PLAN_FOLDER / ("" if place.name == "0" else place.name)
    own = {variant.name: folders[variant.name] for variant in group.variants}
    names = ", ".join(repr(name) for name in own)
    print(f"evaluate: variant {names} starts", file=sys.stderr, flush=True)
    started = time.monotonic()
    parts = _merge_first(part, group, place, stopper) if group.merge else []
    if not parts:
        parts = _answer_and_score(Work(part, own, plan), place, stopper)
    if group.merge:
        shutil.rmtree(merged_folder(request, group.variants[0]), ignore_errors=True)
    seconds = time.monotonic() - started
    for one in parts:
        print(f"evaluate: variant {one.name!r}: {one.reason}, {seconds:.1f} s", file=sys.stderr)
    return parts


def _answer_and_score(work: Work, place: Path, stopper: Stopper) -> list[PartStatus]:
    """Run one child, or one for each shard and one that scores what they answered."""
    if work.request.shards < 2 or work.request.stage != "all":
        return _run_child(work, place, stopper)
    count = work.request.shards
    shards = [
        replace(work, request=replace(work.request, stage="infer"), shard=Shard(number, count))
        for number in range(count)
    ]
    with ThreadPoolExecutor(count) as pool:
        tasks = [
            pool.submit(_run_child, shard, place / f"shard{number}", stopper)
            for number, shard in enumerate(shards)
        ]
        found = [part for task in tasks for part in task.result()]
    failed = {part.name: part for part in found if part.reason != "ok"}
    rest = tuple(one for one in work.request.variants if one.name not in failed)
    scored = []
    if rest:
        request = replace(work.request, variants=rest, stage="score")
        scored = _run_child(replace(work, request=request), place, stopper)
    return [*failed.values(), *scored]


def _run_child(work: Work, place: Path, stopper: Stopper) -> list[PartStatus]:
    place.mkdir(parents=True, exist_ok=True)
    atomic.write_json(place / WORK_FILE, work.to_json())
    program = [sys.executable, "-m", GROUP_PROGRAM, str(place / WORK_FILE)]
    ending = run_child(program, stopper, _devices(work))
    return [
        part_status(variant.name, place, ending, stopped=stopper.requested)
        for variant in work.request.variants
    ]


def _devices(work: Work) -> dict[str, str]:
    """Return the GPUs that a shard may use: its share of those that are here."""
    if work.shard is None or not work.request.num_gpus:
        return {}
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    here = told.split(",") if told else [str(number) for number in range(work.request.num_gpus)]
    share = max(len(here) // work.shard.of, 1)
    first = work.shard.number * share
    return {"CUDA_VISIBLE_DEVICES": ",".join(here[first : first + share])}


def _merge_first(
    request: EvaluateRequest, group: Group, place: Path, stopper: Stopper
) -> list[PartStatus]:
    """Merge the group's adapter; returns its status when that failed."""
    name = group.variants[0].name
    own = paths.contained(place, name)
    own.mkdir(parents=True, exist_ok=True)
    atomic.write_json(own / REQUEST_FILE, replace(request, output=str(own)).to_json())
    program = [sys.executable, "-m", "rdagent.inside.evaluate.merge", str(own / REQUEST_FILE)]
    status = part_status(name, place, run_child(program, stopper), stopped=stopper.requested)
    (own / STATUS_FILE).unlink(missing_ok=True)
    return [] if status.reason == "ok" else [status]


def _clear(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in _OURS:
        for path in folder.glob(pattern):
            path.unlink()


def part_status(name: str, place: Path, ending: Ending, *, stopped: bool) -> PartStatus:
    """Tell how a variant ended, from what its process wrote, how that ended and what we did.

    The process writes each variant's status when it has ended, and one for all of them last.
    """
    if stopped:
        return PartStatus(name, "cancelled", "stopped while it ran")
    own, whole = _said(place / name), _said(place)
    denied = whole is not None and whole.reason == "ok" and ending.exit_code != 0
    if own is not None and own.reason == "ok" and not denied:
        return PartStatus(name, own.reason, own.message)
    if ending.memory_kills > 0:
        return PartStatus(name, "out_of_memory", "the kernel ended a process for memory")
    said = own or whole
    if said is None or said.reason == "ok":
        said = failures.of_silent_child(ending.exit_code, ending.tail)
    said = failures.with_cause(said, ending.tail)
    return PartStatus(name, said.reason, said.message)


def _said(folder: Path) -> InsideStatus | None:
    try:
        return InsideStatus.read(folder)
    except ResultError:
        return None


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
