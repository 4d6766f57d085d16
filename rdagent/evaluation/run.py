"""``run()``: check, take up or make the run folder, run the job, read back what it wrote.

The same request returns its finished run, or goes on with its unfinished one; two
callers with the same request wait for each other.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from rdagent.core.settings import load, runs_root
from rdagent.errors import ResultError
from rdagent.evaluation import answers, ladder
from rdagent.evaluation.endpoint.preflight import check_endpoint
from rdagent.evaluation.endpoint.run import Work, plan_ask_score
from rdagent.evaluation.engines import require_room
from rdagent.evaluation.job import build_job, identity
from rdagent.evaluation.manifest import manifest_of
from rdagent.evaluation.preflight import Preflight, changed_meanwhile, check
from rdagent.evaluation.progress import EvaluationProgress, teller, watcher
from rdagent.evaluation.publish import publish_results
from rdagent.evaluation.record import Evaluation, lost_answers, read_variant, read_variants
from rdagent.evaluation.request import EvaluationRequest
from rdagent.files.locks import file_lock
from rdagent.files.storage import storage_errors
from rdagent.jobs.backends.base import Backend, isolation_note
from rdagent.jobs.conf import BenchmarkDockerConf, with_timeout
from rdagent.jobs.interrupts import signals_as_flags
from rdagent.jobs.logfile import tail
from rdagent.jobs.machine import with_image
from rdagent.jobs.runs import RunFolder, identity_of, lock_of, open_run
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import JobEnd, Watch, run_job
from rdagent.records.events import read_events
from rdagent.records.reasons import Reason
from rdagent.records.status import RunStatus

_LOG_TAIL = 64 * 1024
Say = Callable[[str], None]
Observe = Callable[[EvaluationProgress], None]


def plan(request: EvaluationRequest) -> tuple[Preflight, JobSpec]:
    """Check a request and return the job it leads to; starts nothing."""
    preflight = check_endpoint(request) if request.engine == "endpoint" else check(request)
    conf = with_timeout(load(BenchmarkDockerConf), request.timeout_seconds)
    return preflight, build_job(preflight, conf, stage="plan" if preflight.endpoint else "all")


def run(
    request: EvaluationRequest,
    backend: Backend,
    *,
    fresh: bool = False,
    say: Say = lambda line: None,
    observe: Observe = lambda progress: None,
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
        # What a server answered was paid for: a run that failed after it goes on.
        paid = preflight.endpoint is not None
        folder = open_run(root, asked, fresh=fresh, label=request.label, failed_too=paid)
        status = folder.status()
        if status is not None:
            again = _read_back(folder, preflight, status, reused=True)
            if len(again.variants) == len(_variant_names(preflight)):
                return again
            folder = open_run(
                root, asked, fresh=True, label=request.label
            )  # its results were damaged since
        watch = Watch(watcher(say, observe), cancel or threading.Event())
        if preflight.endpoint is not None:
            tell = teller(say, observe)
            return _ask_server(folder, preflight, spec, backend, watch, tell, reuse=not fresh)
        return _run_job(folder, preflight, spec, backend, watch, reuse=not fresh)


def _ask_server(
    folder: RunFolder,
    preflight: Preflight,
    spec: JobSpec,
    backend: Backend,
    watch: Watch,
    tell: Callable[[Path], None],
    *,
    reuse: bool,
) -> Evaluation:
    folder.event("started", engine=preflight.engine, tasks=list(preflight.tasks.names))
    with signals_as_flags() as interrupts, folder.ends_with_its_errors():
        with storage_errors(folder.path):
            answers.clear_results(folder)
        work = Work(folder, preflight, spec, backend, watch, interrupts, tell, reuse)
        ended = plan_ask_score(work)
        with storage_errors(folder.path):
            _keep_answers(folder, preflight, ended.spec, ended.end)
            status = _conclude(folder, preflight, ended.spec, backend, ended.end)
    interrupts.raise_if_asked()
    return _read_back(folder, preflight, status, end=ended.end)


def _run_job(
    folder: RunFolder,
    preflight: Preflight,
    spec: JobSpec,
    backend: Backend,
    watch: Watch,
    *,
    reuse: bool,
) -> Evaluation:
    require_room(preflight.merged_models, folder.path)
    folder.event("started", engine=preflight.engine, tasks=list(preflight.tasks.names))
    rung = ladder.last_rung(read_events(folder.path))
    with signals_as_flags() as interrupts, folder.ends_with_its_errors():
        while True:
            tried = _on_rung(preflight, rung)
            told = _spec_of(tried, spec)
            told = _with_answers(folder, _as_shared(preflight, rung), told, reuse=reuse)
            end = run_job(backend, told, folder.attempts, folder.run_id, watch)
            further = _next_rung(rung, preflight, end) if not interrupts.asked else None
            if further is None:
                break
            if further.max_model_len != rung.max_model_len:
                answers.forget(folder)  # a shorter context is another question
            rung = further
            folder.event(ladder.EVENT, **asdict(rung))
        with storage_errors(folder.path):
            _keep_answers(folder, _as_shared(preflight, rung), told, end)
            status = _conclude(folder, tried, told, backend, end)
    interrupts.raise_if_asked()
    return _read_back(folder, preflight, status, end=end)


def _on_rung(preflight: Preflight, rung: ladder.Rung) -> Preflight:
    return replace(preflight, request=rung.applied(preflight.request)) if rung.step else preflight


def _as_shared(preflight: Preflight, rung: ladder.Rung) -> Preflight:
    """Return the request under which answers are shared with other runs.

    A smaller batch is no other question, and each answer names its own; a context is.
    """
    if rung.max_model_len is None:
        return preflight
    return replace(preflight, request=replace(preflight.request, max_model_len=rung.max_model_len))


def _spec_of(preflight: Preflight, spec: JobSpec) -> JobSpec:
    """Return the job for a request that was changed on the way, in the same image."""
    conf = with_timeout(load(BenchmarkDockerConf), preflight.request.timeout_seconds)
    return replace(build_job(preflight, conf), image=spec.image)


def _next_rung(rung: ladder.Rung, preflight: Preflight, end: JobEnd) -> ladder.Rung | None:
    if not ladder.ran_out_of_memory(end):
        return None
    return ladder.next_rung(
        rung,
        preflight.request,
        preflight.engine,
        on_gpu=bool(preflight.gpus),
        context=preflight.variants[0].model.context_length,
    )


def _with_answers(
    folder: RunFolder, preflight: Preflight, spec: JobSpec, *, reuse: bool
) -> JobSpec:
    """Lay out what was answered before, and return the job that sees it."""
    with storage_errors(folder.path):
        answers.clear_results(folder)
        answers.gather(folder, preflight, spec, reuse=reuse)
    return replace(spec, mounts=(*spec.mounts, answers.kept_mount(folder)))


def _conclude(
    folder: RunFolder, preflight: Preflight, spec: JobSpec, backend: Backend, end: JobEnd
) -> RunStatus:
    damaged = _keep_variants(folder, end, preflight)
    changed = changed_meanwhile(preflight)
    answers.keep_plan(end.out, folder)
    folder.write_manifest(manifest_of(preflight, spec, end, backend))
    reason, message = _reason(end, folder, preflight), end.message
    if end.outcome.ok and damaged:
        reason, message = "results_invalid", damaged[0]
    elif end.outcome.ok and changed:
        reason, message = "results_invalid", f"{changed} changed while it was evaluated"
    if changed and preflight.endpoint is not None:
        answers.clear_results(folder)  # what a server answered is right for what it was asked
    elif changed:
        shutil.rmtree(folder.path / "variants", ignore_errors=True)
    return folder.finish(reason, message)


def _keep_answers(folder: RunFolder, preflight: Preflight, spec: JobSpec, end: JobEnd) -> None:
    """Keep what was answered; where a model or the tasks changed meanwhile it is not kept long."""
    for name in _variant_names(preflight):
        target = folder.variant(name)
        if preflight.endpoint is None:
            kept = answers.keep_answers(end.out / "variants" / name, target)
        else:
            # The host asked the server itself: a job's copy of its answers adds nothing.
            kept = (target / answers.LEDGER_FILE).exists()
        if kept:
            (target / answers.REUSED_FILE).unlink(missing_ok=True)  # the ledger has them now
            answers.keep_identity(folder, preflight, spec, name)


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
        else:
            _tell_of_lost_answers(folder, name)
    return damaged


def _tell_of_lost_answers(folder: RunFolder, name: str) -> None:
    """Note what a kill had cut off in a variant's ledger: it was asked again."""
    lost = lost_answers(folder.variant(name))
    if lost.dropped or lost.torn:
        folder.event("answers_dropped", variant=name, dropped=lost.dropped, torn=lost.torn)


def _reason(end: JobEnd, folder: RunFolder, preflight: Preflight) -> Reason:
    """Name the run's end: a job that went well may still have left a task out."""
    if not end.outcome.ok:
        return end.outcome.reason
    for name in _variant_names(preflight):
        try:
            result = read_variant(folder, preflight, name)
        except ResultError:
            return "results_invalid"
        if result is None or result.missing:
            return "incomplete"
    return "ok"


def _read_back(
    folder: RunFolder,
    preflight: Preflight,
    status: RunStatus,
    *,
    end: JobEnd | None = None,
    reused: bool = False,
) -> Evaluation:
    return Evaluation(
        run_id=folder.run_id,
        folder=folder.path,
        status=status,
        variants=read_variants(folder, preflight),
        notes=(*preflight.notes, *_ladder_notes(folder)),
        limit=preflight.request.limit,
        sample=preflight.request.sample if preflight.request.limit is not None else None,
        subset=preflight.request.subset.said if preflight.request.subset else None,
        message=end.message if end else "",
        job_exit_code=end.exit_code if end else None,
        log_tail=tail(end.log, _LOG_TAIL) if end else "",
        reused=reused,
    )


def _ladder_notes(folder: RunFolder) -> tuple[str, ...]:
    rung = ladder.last_rung(read_events(folder.path))
    return (rung.note(),) if rung.step else ()
