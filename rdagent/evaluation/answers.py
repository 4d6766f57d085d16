"""Answers that are there already: of an earlier attempt, or of another run of the same model.

The program inside checks every line of them; here they are found, by who answered and
how, and copied as strangers' files.  Every run's folder stands alone.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.evaluation.preflight import CheckedVariant, Preflight
from rdagent.files import atomic, untrusted
from rdagent.files.logs import log
from rdagent.jobs.running import newest_attempt
from rdagent.jobs.runs import RunFolder, identity_of
from rdagent.jobs.spec import JobSpec, Mount
from rdagent.records.ledger import dump, read_answers

LEDGER_FILE, ANSWERED_FILE = "ledger.jsonl", "answered.json"
#: Where the program inside finds the answers of earlier attempts.
KEPT_MOUNT, KEPT_TARGET = "kept", "/workspace/kept"
#: A ledger of another run, as the program inside expects it beside this run's own.
REUSED_FILE = "reused.jsonl"
IDENTITY_FILE = "identity.json"
SCHEMA = "rdagent.answer-identity/1"
#: Processes that answered side by side left one each, where they were ended before the end.
_LEDGERS = re.compile(r"ledger(\.\d{1,3})?\.jsonl")
#: So many other runs' answers are looked through.
MOST_RUNS = 8
PLAN_FILES = ("plan.json", "requests.jsonl")


def answer_identity(preflight: Preflight, variant: CheckedVariant, spec: JobSpec) -> dict[str, Any]:
    """Return who answers and how: equal requests to equal identities have equal answers.

    What is asked is no part of it: prompts and decoding are in the keys of a ledger.
    """
    request = preflight.request
    if preflight.endpoint is not None:
        return {
            "engine": preflight.engine,
            "endpoint": preflight.endpoint.identity(),
            "model": variant.model.name,
            "seed": request.seed,
        }
    on_vllm = preflight.engine == "vllm"
    has_adapters = any(v.adapter and not v.merge for v in preflight.variants)
    return {
        "model": variant.model_digest,
        "adapter": variant.adapter_digest,
        "merged": variant.merge,
        "engine": preflight.engine,
        # The image holds every library's version and our own code.
        "image": spec.image,
        "accelerator": spec.accelerator,
        "gpus": len(preflight.gpus),
        "tensor_parallel": request.tensor_parallel,
        "dtype": request.dtype,
        "max_model_len": request.max_model_len,
        "max_lora_rank": preflight.max_lora_rank if on_vllm and has_adapters else None,
        "batch_size": request.batch_size,
        "seed": request.seed,
        "thinking": request.thinking,
        "script": preflight.script_digest,
        # Answers of a script differ by the variant's name.
        "name": variant.name if preflight.engine == "scripted" else None,
    }


@dataclass(frozen=True, slots=True)
class Found:
    """Answers of another run."""

    run_id: str
    folder: Path


def gather(folder: RunFolder, preflight: Preflight, spec: JobSpec, *, reuse: bool) -> None:
    """Put into the run's folder what each variant has answered before, here or in another run."""
    attempt = newest_attempt(folder.attempts)
    for checked in preflight.variants:
        target = folder.variant(checked.name)
        target.mkdir(parents=True, exist_ok=True)
        if attempt is not None:
            keep_answers(attempt / "out" / "variants" / checked.name, target)
        if reuse:
            take_from_others(folder, preflight, checked, spec)


def take_from_others(
    folder: RunFolder, preflight: Preflight, checked: CheckedVariant, spec: JobSpec
) -> None:
    """Put other runs' answers beside a variant that has none of its own, if there are some.

    Which of them are asked here only the plan will tell, so those of several runs are taken.
    """
    target = folder.variant(checked.name)
    own = any(path.stat().st_size for path in target.glob("ledger*.jsonl"))
    if own or not _can_be_shared(preflight):
        return
    identity = identity_of(answer_identity(preflight, checked, spec))
    found = list(itertools.islice(_others(folder, identity), MOST_RUNS))
    taken = _merge(found, target / REUSED_FILE)
    for one in taken:
        folder.event("answers_found", variant=checked.name, run=one.run_id)
    if taken:
        _copy(taken[0].folder / ANSWERED_FILE, target / ANSWERED_FILE)


def _merge(found: Sequence[Found], target: Path) -> list[Found]:
    """Write the answers of several ledgers into one, the first one's going before the others'.

    Returns those that gave any.  What is damaged in one of them ends that one only.
    """
    seen: set[tuple[str, int]] = set()
    taken = []
    if not found:
        return []
    with atomic.replaced(target) as sink:
        for one in found:
            before = len(seen)
            for path in _ledgers(one.folder):
                try:
                    for answer in read_answers(path):
                        if answer.error is None and answer.name not in seen:
                            seen.add(answer.name)
                            sink.write(dump([answer]))
                except ResultError as error:
                    log().warning("answers of {} are left: {}", one.run_id, error.message)
            if len(seen) > before:
                taken.append(one)
    if not taken:
        target.unlink()
    return taken


def _ledgers(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if _LEDGERS.fullmatch(path.name)]


def _can_be_shared(preflight: Preflight) -> bool:
    """Tell whether equal identities mean equal models: a server may serve another one tomorrow."""
    return preflight.endpoint is None or preflight.endpoint.revision is not None


def _others(folder: RunFolder, identity: str) -> Iterator[Found]:
    """Yield the other runs' variants of this identity, the newest first."""
    runs = sorted(folder.path.parent.iterdir(), reverse=True)
    for run in runs:
        if run == folder.path or run.name.startswith("."):
            continue
        for path in sorted(run.glob(f"variants/*/{IDENTITY_FILE}")):
            if _read_identity(path) == identity and _ledgers(path.parent):
                yield Found(run.name, path.parent)


def _read_identity(path: Path) -> str | None:
    try:
        document = untrusted.read_json(path)
    except ResultError:
        return None
    found = document.get("identity") if isinstance(document, dict) else None
    return found if isinstance(found, str) else None


def keep_answers(source: Path, target: Path) -> bool:
    """Copy a ledger that a job wrote, and the record of who answered; tells whether there is one.

    What cannot be copied is left: it costs the answers, not the run.
    """
    if source.parent.is_symlink() or source.is_symlink() or not source.is_dir():
        return False
    copied = {path.name for path in _ledgers(source) if _copy(path, target / path.name)}
    if not copied:
        return False
    for old in target.glob("ledger*.jsonl"):
        # A whole one has taken up all that was there; parts need not be all of them.
        if LEDGER_FILE in copied and old.name not in copied:
            old.unlink()
    return _copy(source / ANSWERED_FILE, target / ANSWERED_FILE)


def keep_identity(folder: RunFolder, preflight: Preflight, spec: JobSpec, name: str) -> None:
    """Write beside a ledger whose answers they are, so that later runs find them."""
    if not _can_be_shared(preflight):
        return
    checked = next(checked for checked in preflight.variants if checked.name == name)
    facts = answer_identity(preflight, checked, spec)
    document = {"schema": SCHEMA, "identity": identity_of(facts), "of": facts}
    atomic.write_json(folder.variant(name) / IDENTITY_FILE, document)


def kept_mount(folder: RunFolder) -> Mount:
    """Return the mount of what is answered by now."""
    return Mount(KEPT_MOUNT, str(folder.path / "variants"), KEPT_TARGET)


def keep_plan(out: Path, folder: RunFolder) -> None:
    """Copy what was planned into the run's folder: one plan for each model that was started."""
    plans = out / "plan"
    if plans.is_symlink() or not plans.is_dir():
        return
    for source in (plans, *sorted(path for path in plans.iterdir() if path.name.isdecimal())):
        target = folder.path / "plan" / source.relative_to(plans)
        if source.is_symlink():
            continue
        for name in PLAN_FILES:
            if (source / name).exists():
                _copy(source / name, target / name)


def _copy(source: Path, target: Path) -> bool:
    try:
        atomic.copy_untrusted(source, target, untrusted.LINES_LIMIT)
    except ResultError:
        return False
    return True


def forget(folder: RunFolder) -> None:
    """Remove every answer, of the attempts as well: what was asked is no longer asked."""
    for ledger in (*folder.path.glob("variants/*/*.jsonl"), *_attempts_ledgers(folder)):
        ledger.unlink(missing_ok=True)


def _attempts_ledgers(folder: RunFolder) -> Iterator[Path]:
    for variants in folder.attempts.glob("*/out/variants"):
        # What a job wrote: no link in it is followed.
        for variant in [] if variants.is_symlink() else variants.iterdir():
            if variant.is_dir() and not variant.is_symlink():
                yield from _ledgers(variant)


def clear_results(folder: RunFolder) -> None:
    """Remove what an earlier attempt scored; its answers stay."""
    variants = folder.path / "variants"
    kept = (ANSWERED_FILE, REUSED_FILE, IDENTITY_FILE)
    for path in variants.glob("*/*"):
        if (path.name in kept or _LEDGERS.fullmatch(path.name)) and not path.is_symlink():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
