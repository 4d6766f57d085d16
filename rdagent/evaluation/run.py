"""``run()``: check, take up or make the run folder, run the job, read back what it wrote.

The same request returns its finished run, or goes on with its unfinished one; two
callers with the same request wait for each other.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdagent.core.feedback import TaskScore
from rdagent.core.settings import load, runs_root
from rdagent.errors import ResultError
from rdagent.evaluation.engines import require_room
from rdagent.evaluation.job import build_job, identity
from rdagent.evaluation.manifest import manifest_of
from rdagent.evaluation.metrics import Average, average
from rdagent.evaluation.preflight import Preflight, changed_meanwhile, check
from rdagent.evaluation.primary import primary_scores
from rdagent.evaluation.progress import EvaluationProgress
from rdagent.evaluation.publish import VARIANT_FILE, publish_results
from rdagent.evaluation.request import EvaluationRequest
from rdagent.evaluation.results import read_results
from rdagent.files import untrusted
from rdagent.files.locks import file_lock
from rdagent.files.printable import one_line
from rdagent.files.storage import storage_errors
from rdagent.jobs.backends.base import Backend, isolation_note
from rdagent.jobs.conf import BenchmarkDockerConf, with_timeout
from rdagent.jobs.interrupts import signals_as_flags
from rdagent.jobs.logfile import tail
from rdagent.jobs.machine import with_image
from rdagent.jobs.runs import RunFolder, identity_of, lock_of, open_run
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import JobEnd, Watch, run_job
from rdagent.records.limits import Limit
from rdagent.records.reasons import Reason
from rdagent.records.status import RunStatus

SCHEMA = "rdagent.evaluation/1"
_LOG_TAIL = 64 * 1024
_PROGRESS_TAIL = 8 * 1024
#: A note is a stranger's text: so many, of such a length.
_NOTES, _NOTE_LENGTH = 20, 400
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class VariantResult:
    """What one model scored."""

    name: str
    model: str
    adapter: str | None
    scores: Mapping[str, TaskScore]
    average: Average
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run that has ended, read back from its folder."""

    run_id: str
    folder: Path
    status: RunStatus
    variants: tuple[VariantResult, ...]
    notes: tuple[str, ...]
    limit: Limit | None
    message: str = ""
    job_exit_code: int | None = None
    log_tail: str = ""
    #: Whether the run had ended before and nothing was computed now.
    reused: bool = False

    def variant(self, name: str) -> VariantResult | None:
        """Return one model's result."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document; numbers are fractions."""
        return {
            "schema": SCHEMA,
            "run": self.run_id,
            "folder": str(self.folder),
            "status": self.status.status,
            "reason": self.status.reason,
            "reused": self.reused,
            "limit": self.limit,
            "notes": list(self.notes),
            "variants": [_variant_json(variant) for variant in self.variants],
        }


def _variant_json(variant: VariantResult) -> dict[str, Any]:
    return {
        "name": variant.name,
        "model": variant.model,
        "adapter": variant.adapter,
        "average": variant.average.value,
        "scores": {
            task: {
                "metric": score.metric,
                "filter": score.filter,
                "value": score.value,
                "stderr": score.stderr,
                "n": score.n,
                "higher_is_better": score.higher_is_better,
            }
            for task, score in variant.scores.items()
        },
        "missing": list(variant.missing),
        "notes": list(variant.notes),
    }


def plan(request: EvaluationRequest) -> tuple[Preflight, JobSpec]:
    """Check a request and return the job it leads to; starts nothing."""
    preflight = check(request)
    conf = with_timeout(load(BenchmarkDockerConf), request.timeout_seconds)
    return preflight, build_job(preflight, conf)


def run(
    request: EvaluationRequest,
    backend: Backend,
    *,
    fresh: bool = False,
    say: Say = lambda line: None,
    cancel: threading.Event | None = None,
) -> Evaluation:
    """Evaluate; raises for a request that cannot be, returns the record of one that ran.

    A job that fails is not an exception: ``status.reason`` names its end, and what
    was scored before it is in ``variants``.
    """
    preflight, spec = plan(request)
    spec = with_image(spec, backend)
    root = runs_root()
    asked = identity(preflight, str(spec.image))
    if note := isolation_note(backend):
        preflight = replace(preflight, notes=(*preflight.notes, note))
    lock = lock_of(root, identity_of(asked))
    with file_lock(lock, lambda who: say(f"waiting for {who}, which runs the same request")):
        folder = open_run(root, asked, fresh=fresh, label=request.label)
        status = folder.status()
        if status is not None:
            again = _read_back(folder, preflight, status, reused=True)
            if len(again.variants) == len(_variant_names(preflight)):
                return again
            folder = open_run(
                root, asked, fresh=True, label=request.label
            )  # its results were damaged since
        return _run_job(folder, preflight, spec, backend, Watch(_watcher(say), _event(cancel)))


def _event(cancel: threading.Event | None) -> threading.Event:
    return cancel or threading.Event()


def _run_job(
    folder: RunFolder, preflight: Preflight, spec: JobSpec, backend: Backend, watch: Watch
) -> Evaluation:
    shutil.rmtree(folder.path / "variants", ignore_errors=True)
    require_room([v.model for v in preflight.variants if v.merge], folder.path)
    folder.event("started", engine=preflight.engine, tasks=list(preflight.tasks.names))
    with signals_as_flags() as interrupts, folder.ends_with_its_errors():
        end = run_job(backend, spec, folder.attempts, folder.run_id, watch)
        with storage_errors(folder.path):
            status = _conclude(folder, preflight, spec, backend, end)
    interrupts.raise_if_asked()
    return _read_back(folder, preflight, status, end=end)


def _conclude(
    folder: RunFolder, preflight: Preflight, spec: JobSpec, backend: Backend, end: JobEnd
) -> RunStatus:
    damaged = _keep_variants(folder, end, preflight)
    folder.write_manifest(manifest_of(preflight, spec, end, backend))
    reason, message = _reason(end, folder, preflight), end.message
    if end.outcome.ok and damaged:
        reason, message = "results_invalid", damaged[0]
    elif end.outcome.ok and (changed := changed_meanwhile(preflight)):
        reason, message = "results_invalid", f"{changed} changed while it was evaluated"
        shutil.rmtree(folder.path / "variants", ignore_errors=True)
    return folder.finish(reason, message)


def _watcher(say: Say) -> Callable[[Path], None]:
    """Return what tells how far the job is while it runs."""
    progress = EvaluationProgress()

    def look(attempt: Path) -> None:
        if line := progress.read(tail(attempt / "log.txt", _PROGRESS_TAIL)):
            say(line)

    return look


def _variant_names(preflight: Preflight) -> list[str]:
    return [checked.name for checked in preflight.variants]


def _keep_variants(folder: RunFolder, end: JobEnd, preflight: Preflight) -> list[str]:
    """Copy what the job scored into the run; damaged results are left out and said."""
    damaged = []
    for name in _variant_names(preflight):
        source = end.out / "variants" / name
        if not (source / "results.json").exists():
            continue
        try:
            publish_results(source, folder.variant(name))
        except ResultError as error:
            damaged.append(f"{name}: {error.message}")
            folder.event("variant_damaged", variant=name, message=error.message)
    return damaged


def _reason(end: JobEnd, folder: RunFolder, preflight: Preflight) -> Reason:
    """Name the run's end: a job that went well may still have left a task out."""
    if not end.outcome.ok:
        return end.outcome.reason
    for name in _variant_names(preflight):
        try:
            result = _read_variant(folder, preflight, name)
        except ResultError:
            return "results_invalid"
        if result is None or result.missing:
            return "incomplete"
    return "ok"


def _read_variant(folder: RunFolder, preflight: Preflight, name: str) -> VariantResult | None:
    path = folder.variant(name) / "results.json"
    if not path.exists():
        return None
    primary = primary_scores(read_results(path), preflight.tasks.names)
    checked = next(checked for checked in preflight.variants if checked.name == name)
    return VariantResult(
        name=name,
        model=checked.model.name,
        adapter=str(checked.adapter.path) if checked.adapter else None,
        scores=primary.scores,
        average=average(primary.scores),
        missing=primary.missing,
        notes=(*primary.notes, *_notes_from_inside(folder.variant(name))),
        folder=folder.variant(name),
    )


def _notes_from_inside(folder: Path) -> tuple[str, ...]:
    """Return what the program inside had to say of a variant: cut prompts, other tokenizers."""
    try:
        notes = untrusted.read_json(folder / VARIANT_FILE).get("notes")
    except (ResultError, AttributeError):
        return ()
    told = notes if isinstance(notes, list) else []
    return tuple(one_line(note, _NOTE_LENGTH) for note in told[:_NOTES] if isinstance(note, str))


def _read_back(
    folder: RunFolder,
    preflight: Preflight,
    status: RunStatus,
    *,
    end: JobEnd | None = None,
    reused: bool = False,
) -> Evaluation:
    variants = []
    for name in _variant_names(preflight):
        try:
            result = _read_variant(folder, preflight, name)
        except ResultError:
            continue
        if result:
            variants.append(result)
    return Evaluation(
        run_id=folder.run_id,
        folder=folder.path,
        status=status,
        variants=tuple(variants),
        notes=preflight.notes,
        limit=preflight.request.limit,
        message=end.message if end else "",
        job_exit_code=end.exit_code if end else None,
        log_tail=tail(end.log, _LOG_TAIL) if end else "",
        reused=reused,
    )
