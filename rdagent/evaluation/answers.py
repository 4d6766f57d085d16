"""Answers that are there already: of an earlier attempt, or of another run of the same model.

The program inside checks every line of them; here they are found, by who answered and
how, and copied as strangers' files.  Every run's folder stands alone.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.evaluation.preflight import CheckedVariant, Preflight
from rdagent.files import atomic, untrusted
from rdagent.jobs.running import newest_attempt
from rdagent.jobs.runs import RunFolder, identity_of
from rdagent.jobs.spec import JobSpec, Mount

LEDGER_FILE, ANSWERED_FILE = "ledger.jsonl", "answered.json"
#: Where the program inside finds the answers of earlier attempts.
KEPT_MOUNT, KEPT_TARGET = "kept", "/workspace/kept"
#: A ledger of another run, as the program inside expects it beside this run's own.
REUSED_FILE = "reused.jsonl"
IDENTITY_FILE = "identity.json"
SCHEMA = "rdagent.answer-identity/1"
#: Processes that answered side by side left one each, where they were ended before the end.
_LEDGERS = re.compile(r"ledger(\.\d{1,3})?\.jsonl")
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
    """Put another run's answers beside a variant that has none of its own, if there are some."""
    target = folder.variant(checked.name)
    if any(target.glob("ledger*.jsonl")) or not _can_be_shared(preflight):
        return
    identity = identity_of(answer_identity(preflight, checked, spec))
    found = next(_others(folder, identity), None)
    if found and _copy(found.folder / LEDGER_FILE, target / REUSED_FILE):
        _copy(found.folder / ANSWERED_FILE, target / ANSWERED_FILE)
        folder.event("answers_found", variant=checked.name, run=found.run_id)


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
            if _read_identity(path) == identity and (path.parent / LEDGER_FILE).exists():
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
    if source.is_symlink() or not source.is_dir():
        return False
    ledgers = [path for path in sorted(source.iterdir()) if _LEDGERS.fullmatch(path.name)]
    if not ledgers:
        return False
    copied = {path.name for path in ledgers if _copy(path, target / path.name)}
    if not copied:
        return False
    for old in target.glob("ledger*.jsonl"):
        if old.name not in copied:
            old.unlink()  # the attempt took it up
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
    yield from folder.attempts.glob("*/out/variants/*/ledger*.jsonl")


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
