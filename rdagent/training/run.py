"""``run()``: check a workspace, run the training job, bring the adapter back into it.

The workspace is mounted read-only and its files are never edited; what is put over
them travels beside them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rdagent.core.settings import cache_root, finetune_settings, load, runs_root
from rdagent.errors import JobFailed, RefusedError, ResultError
from rdagent.files.digests import file_digest
from rdagent.files.locks import file_lock
from rdagent.files.printable import last_lines, printable
from rdagent.files.storage import storage_errors
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.conf import FTDockerConf, with_timeout
from rdagent.jobs.gpus import visible_gpus
from rdagent.jobs.interrupts import signals_as_flags
from rdagent.jobs.logfile import tail
from rdagent.jobs.machine import job_facts, with_image
from rdagent.jobs.profiles import offline_environment, train_limits
from rdagent.jobs.runs import RunFolder, identity_of, lock_of, open_run
from rdagent.jobs.spec import Accelerator, JobSpec, Limits, Mount, accelerator_of
from rdagent.jobs.supervisor import JobEnd, Watch, run_job
from rdagent.models.digest import folder_digest
from rdagent.models.resolve import LocalModel, resolve_model
from rdagent.records.reasons import Reason
from rdagent.records.requests import TrainRequest
from rdagent.records.status import STATUS_FILE, RunStatus
from rdagent.training.columns import INFO_FILE
from rdagent.training.config import TrainingConfig, read_config
from rdagent.training.datasets import (
    DATASETS,
    WORKSPACE,
    DataFolder,
    find_datasets,
)
from rdagent.training.existing import MOUNT_NAME as CHECKPOINT
from rdagent.training.existing import (
    Existing,
    find_checkpoint,
    mount_of,
    refuse_existing,
    require_checkpoint,
)
from rdagent.training.memory import Estimate
from rdagent.training.outlook import Outlook, look_ahead
from rdagent.training.overrides import ADAPTER_FOLDER, host_overrides
from rdagent.training.progress import LOG_FILE, ProgressReader, TrainingProgress
from rdagent.training.publish import OUTPUT_FOLDER, publish_adapter
from rdagent.training.result import RESULT_FILE, TrainingResult, read_result

ENTRY = ("bash", "{mount:app}/train_entrypoint.sh")
REQUEST_NAME = "request.json"
CONFIG_NAMES = ("train.yaml", "train.yml", "train.json")
Follow = Callable[[TrainingProgress], None]


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """A workspace with LLaMA-Factory's own files, and what a caller may say beside them."""

    workspace: Path
    #: Instead of the configuration's ``model_name_or_path``.
    base_model: str | None = None
    fresh: bool = False
    #: What to do with an output that is there already.
    existing: Existing = "fresh"
    timeout_seconds: float | None = None
    #: So many processes train together through torchrun, each with a GPU where there are GPUs.
    processes: int = 1
    #: A file in the workspace with a name for each row, a line each: no row may then be cut,
    #: and one that would be is refused by its name.
    row_names: str | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """A training that went well."""

    run_id: str
    folder: Path
    adapter: Path
    result: TrainingResult
    #: Files that the training wrote and that stayed in the run's folder.
    skipped: tuple[str, ...]
    reused: bool
    #: What a user may want to know, of the configuration and of the data.
    notes: tuple[str, ...] = ()
    #: The memory that was expected; ``result.peak_memory_bytes`` is what was taken.
    outlook: Outlook | None = None
    #: The base model, for whoever looks at the adapter next.
    base: LocalModel | None = None

    @property
    def expected(self) -> Estimate | None:
        """The memory that rows as long as those seen were expected to take."""
        counts = self.result.learned.counts if self.result.learned else None
        return (
            self.outlook.for_rows_of(counts.longest if counts else None) if self.outlook else None
        )

    def _memory(self) -> dict[str, Any]:
        expected = self.expected
        return {
            **(self.outlook.to_json() if self.outlook else {}),
            "expected_bytes": expected.total if expected else None,
            "peak_bytes": self.result.peak_memory_bytes,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "schema": "rdagent.training/1",
            "run": self.run_id,
            "folder": str(self.folder),
            "adapter": str(self.adapter),
            "reused": self.reused,
            "steps": self.result.steps,
            "seconds": self.result.seconds,
            "first_loss": self.result.first_loss,
            "final_loss": self.result.final_loss,
            "supervised_share": self.result.supervised_share,
            "loss_history": [asdict(point) for point in self.result.loss_history],
            "preflight": self.result.learned.to_json() if self.result.learned else None,
            "notes": list(self.notes),
            "memory": self._memory(),
            "overrides": [asdict(override) for override in self.result.overrides],
            "skipped": list(self.skipped),
        }


@dataclass(frozen=True, slots=True)
class _Plan:
    request: TrainingRequest
    config: TrainingConfig
    data: DataFolder
    model: LocalModel
    model_name: str
    told: TrainRequest
    gpus: tuple[str, ...]
    outlook: Outlook | None
    #: Where a resumed training goes on from.
    checkpoint: Path | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is allowed and may not be meant."""
        ahead = self.outlook.notes() if self.outlook else ()
        return (*self.config.notes, *self.data.notes, *ahead)


@dataclass(frozen=True, slots=True)
class Planned:
    """The job that a workspace leads to, and what is known of it before it starts."""

    job: JobSpec
    outlook: Outlook | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document: the job's, and what is known."""
        memory = self.outlook.to_json() if self.outlook else None
        return {**self.job.to_json(), "memory": memory, "notes": list(self.notes)}


def plan(request: TrainingRequest) -> Planned:
    """Check a workspace and return the job that it leads to; starts nothing."""
    planned = _check(request)
    return Planned(_job(planned), planned.outlook, planned.notes)


def run(
    request: TrainingRequest,
    backend: Backend,
    *,
    follow: Follow = lambda progress: None,
    say: Callable[[str], None] = lambda line: None,
    cancel: threading.Event | None = None,
) -> Trained:
    """Train and publish the adapter into ``workspace/output``.

    Raises UsageError or RefusedError for a workspace that cannot be trained on, and
    JobFailed when the job ends badly; the workspace's former adapter is then untouched.
    """
    planned = _check(request)
    spec = with_image(_job(planned), backend)
    root, asked = runs_root(), _identity(planned, spec)
    lock = lock_of(root, identity_of(asked))
    with file_lock(lock, lambda who: say(f"waiting for {who}, which runs the same training")):
        folder = open_run(root, asked, fresh=request.fresh)
        status = folder.status()
        if status is not None:
            return _publish(folder, planned, _newest_out(folder), reused=True)
        watch = Watch(_watcher(follow), cancel or threading.Event())
        folder.event("started", workspace=str(request.workspace))
        with signals_as_flags() as interrupts, folder.ends_with_its_errors():
            if request.existing == "resume":
                planned = _resumed(planned, identity_of(asked))
                spec = with_image(_job(planned), backend)
            end = run_job(backend, spec, folder.attempts, folder.run_id, watch)
            with storage_errors(folder.path):
                folder.write_manifest(_manifest(planned, spec, end, backend))
                trained = _conclude(folder, planned, end)
        interrupts.raise_if_asked()
        return trained


def accelerator() -> Accelerator:
    """Return what the libraries of a training are made for here."""
    return accelerator_of(_gpus())


def _gpus(processes: int = 1) -> tuple[str, ...]:
    """Return a GPU for each process; none at all on a machine without, or where they are off."""
    visible = visible_gpus() if load(FTDockerConf).enable_gpu else ()
    if processes < 1 or 0 < len(visible) < processes:
        raise RefusedError(
            f"{processes} processes are to train, and {len(visible)} GPUs may be used",
            hint="Every process takes a GPU: ask for as many as there are, at least one;"
            " CUDA_VISIBLE_DEVICES says which may be used.",
        )
    return visible[:processes]


def _resumed(planned: _Plan, identity: str) -> _Plan:
    """Return the plan with the checkpoint that it goes on from; what it computes is the same."""
    workspace = planned.config.workspace
    named = planned.config.values.get("resume_from_checkpoint")
    found = find_checkpoint(
        workspace, runs_root(), identity, named if isinstance(named, str) else None
    )
    told = planned.told
    overrides = {**told.overrides, "resume_from_checkpoint": f"{{mount:{CHECKPOINT}}}"}
    return replace(
        planned,
        told=replace(told, overrides=overrides),
        checkpoint=require_checkpoint(found, workspace),
    )


def _check(request: TrainingRequest) -> _Plan:
    workspace = request.workspace.absolute()
    config = read_config(_config_file(workspace))
    if request.existing == "fail":
        refuse_existing(config.workspace)
    shared = finetune_settings().file_path / "datasets"
    data = find_datasets(config, shared if shared.is_dir() else None)
    name = request.base_model or config.model_name_or_path
    if name is None:
        raise RefusedError(
            f"{config.path} names no base model", hint="Add 'model_name_or_path: ...'."
        )
    model = resolve_model(name, finetune_settings().file_path / "models")
    told = TrainRequest(
        config=f"{{mount:{WORKSPACE}}}/{config.path.name}",
        folder=f"{{mount:{WORKSPACE}}}",
        output="{mount:out}",
        overrides=host_overrides(config, data, base_model=model.inside, shared=shared),
        processes=request.processes,
        row_names=_row_names(request, config),
    )
    gpus = _gpus(request.processes)
    outlook = look_ahead(
        config.values,
        model,
        gpus=gpus,
        memory_limit=_limits(request).memory_bytes,
        longest_row=data.longest_row,
    )
    return _Plan(request, config, data, model, name, told, gpus, outlook)


def _row_names(request: TrainingRequest, config: TrainingConfig) -> str | None:
    """Return the names as the job sees them."""
    if request.row_names is None:
        return None
    if not (config.workspace / request.row_names).is_file():
        raise RefusedError(f"there is no {request.row_names} in {config.workspace}")
    return f"{{mount:{WORKSPACE}}}/{request.row_names}"


def _config_file(workspace: Path) -> Path:
    if workspace.is_file():
        raise RefusedError(f"{workspace} is a file", hint="Give the folder that it lies in.")
    found = [workspace / name for name in CONFIG_NAMES if (workspace / name).exists()]
    return found[0] if found else workspace / CONFIG_NAMES[0]


def _limits(request: TrainingRequest) -> Limits:
    conf = load(FTDockerConf)
    return train_limits(with_timeout(conf, request.timeout_seconds).resources())


def _job(planned: _Plan) -> JobSpec:
    conf, limits = load(FTDockerConf), _limits(planned.request)
    mounts = [planned.model.mount]
    mounts.append(Mount(WORKSPACE, str(planned.config.workspace), "/workspace/project"))
    if planned.data.place.mount == DATASETS:
        mounts.append(Mount(DATASETS, str(planned.data.place.root), "/workspace/datasets"))
    if planned.checkpoint is not None:
        mounts.append(mount_of(planned.checkpoint))
    environment = {
        **offline_environment(len(planned.gpus)),
        "RDAGENT_WORKSPACE": f"{{mount:{WORKSPACE}}}",
        "RDAGENT_REQUEST": f"{{mount:in}}/{REQUEST_NAME}",
        "RDAGENT_DEADLINE_SECONDS": str(round(limits.deadline_seconds + 180)),
    }
    return JobSpec(
        role="train",
        argv=ENTRY,
        limits=limits,
        mounts=tuple(mounts),
        environment=environment,
        files={REQUEST_NAME: json.dumps(planned.told.to_json(), ensure_ascii=False, indent=2)},
        results=(STATUS_FILE, RESULT_FILE),
        gpus=planned.gpus,
        image=conf.chosen_image,
    )


def _identity(planned: _Plan, spec: JobSpec) -> dict[str, Any]:
    return {
        "kind": "train",
        "told": planned.told.to_json(),
        "workspace": str(planned.config.workspace),
        "config": file_digest(planned.config.path),
        "data": _data_digests(planned),
        "model": folder_digest(planned.model.folder, cache_root()),
        "image": spec.image,
    }


def _data_digests(planned: _Plan) -> dict[str, str]:
    """Return the digest of every file that the training reads, by where it lies."""
    files = [*planned.data.files, planned.data.folder / INFO_FILE]
    if planned.request.row_names is not None:
        files.append(planned.config.workspace / planned.request.row_names)
    for key in ("adapter_name_or_path", "deepspeed", "tokenized_path"):
        given = str(planned.config.values.get(key) or "")
        for part in filter(None, given.split(",")):
            place = planned.config.workspace / part.strip()
            files += (
                [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
            )
    return {str(path): file_digest(path) for path in files}


def _watcher(follow: Follow) -> Callable[[Path], None]:
    readers: dict[Path, ProgressReader] = {}

    def look(attempt: Path) -> None:
        path = attempt / "out" / ADAPTER_FOLDER / LOG_FILE
        progress = readers.setdefault(attempt, ProgressReader(path)).poll()
        if progress:
            follow(progress)

    return look


def _newest_out(folder: RunFolder) -> Path:
    return max(folder.attempts.iterdir()) / "out"


def _conclude(folder: RunFolder, planned: _Plan, end: JobEnd) -> Trained:
    if not end.outcome.ok:
        status = folder.finish(end.outcome.reason, end.message)
        if end.interrupted:
            raise KeyboardInterrupt
        raise _failure(status, end)
    try:
        trained = _publish(folder, planned, end.out, reused=False)
    except ResultError as error:
        reason: Reason = "results_invalid"
        raise _failure(folder.finish(reason, error.message), end) from error
    folder.finish("ok")
    return trained


def _failure(status: RunStatus, end: JobEnd) -> JobFailed:
    said = f": {printable(end.message)}" if end.message else ""
    last = last_lines(printable(tail(end.log, 4096)), 5)
    return JobFailed(
        f"the training ended with {status.reason}{said}",
        reason=status.reason,
        exit_code=status.exit_code,
        hint=f"{end.outcome.hint}\nlog: {end.log}\n{last}".strip(),
    )


def _publish(folder: RunFolder, planned: _Plan, out: Path, *, reused: bool) -> Trained:
    result = read_result(out)
    kept = planned.config.workspace / OUTPUT_FOLDER
    if reused and _same_weights(out / ADAPTER_FOLDER, kept):
        return Trained(
            folder.run_id,
            folder.path,
            kept,
            result,
            skipped=(),
            reused=True,
            notes=planned.notes,
            outlook=planned.outlook,
            base=planned.model,
        )
    published = publish_adapter(
        out / ADAPTER_FOLDER, planned.config.workspace, base_model=planned.model_name
    )
    return Trained(
        run_id=folder.run_id,
        folder=folder.path,
        adapter=published.folder,
        result=result,
        skipped=published.skipped,
        reused=reused,
        notes=planned.notes,
        outlook=planned.outlook,
        base=planned.model,
    )


def _same_weights(trained: Path, kept: Path) -> bool:
    """Tell whether the workspace still has exactly what the run made."""
    names = sorted(path.name for path in trained.glob("*.safetensors"))
    if not names or not all((kept / name).is_file() for name in names):
        return False
    return all(file_digest(trained / name) == file_digest(kept / name) for name in names)


def _manifest(planned: _Plan, spec: JobSpec, end: JobEnd, backend: Backend) -> dict[str, Any]:
    return {
        "kind": "train",
        **job_facts(spec, end, backend),
        "model": {"name": planned.model_name, "folder": str(planned.model.folder)},
        "overrides": planned.told.overrides,
        "memory": planned.outlook.to_json() if planned.outlook else None,
        "checkpoint": str(planned.checkpoint) if planned.checkpoint else None,
    }
