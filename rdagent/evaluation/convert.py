"""Turn an adapter's pickle into safetensors: in a sealed job, never in this process.

The original stays; the new file is put beside it, whole or not at all.
"""

from __future__ import annotations

import os
from pathlib import Path

from rdagent.adapters.files import PICKLED_FILES, WEIGHTS_FILE
from rdagent.adapters.header import Unreadable, open_regular, read_header
from rdagent.core.settings import load, runs_root
from rdagent.errors import JobFailed, RefusedError, ResultError
from rdagent.files import atomic
from rdagent.files.digests import file_digest
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.conf import BenchmarkDockerConf, with_timeout
from rdagent.jobs.machine import with_image
from rdagent.jobs.profiles import evaluate_limits, offline_environment
from rdagent.jobs.runs import open_run
from rdagent.jobs.spec import JobSpec, Mount
from rdagent.jobs.supervisor import JobEnd, run_job
from rdagent.records.status import STATUS_FILE

DEADLINE_SECONDS = 900.0
_LIMIT = 64 << 30


def needs_conversion(folder: Path) -> bool:
    """Tell whether a folder has pickled weights and no others."""
    return not os.path.lexists(folder / WEIGHTS_FILE) and _pickle(folder) is not None


def _pickle(folder: Path) -> Path | None:
    return next((folder / name for name in PICKLED_FILES if (folder / name).exists()), None)


def conversion_job(source: Path) -> JobSpec:
    """Return the job that converts one file."""
    conf = with_timeout(load(BenchmarkDockerConf), DEADLINE_SECONDS)
    program = ("python", "-m", "rdagent.inside.evaluate.convert")
    return JobSpec(
        role="lm-eval",
        argv=(*program, f"{{mount:adapter}}/{source.name}", "{mount:out}"),
        limits=evaluate_limits(conf.resources()),
        mounts=(Mount("adapter", str(source.parent.absolute()), "/workspace/adapters/0"),),
        environment=offline_environment(0),
        results=(STATUS_FILE,),
        image=conf.image,
    )


def convert(folder: Path, backend: Backend) -> Path:
    """Convert a folder's pickle and return the new file; raises JobFailed when it cannot be.

    An existing safetensors file is never replaced.
    """
    source = _pickle(folder)
    if source is None or not needs_conversion(folder):
        raise RefusedError(f"{folder} has no pickled weights that need converting")
    try:
        os.close(open_regular(source))
    except Unreadable as error:
        raise RefusedError(error.problem.message, hint=error.problem.fix) from None
    if not backend.isolates:
        raise RefusedError(
            f"a pickle may run code when it is read, and backend {backend.name} does not isolate",
            hint="Run this where a container engine answers (FT_ENV=docker), or save the adapter"
            " again with safe_serialization=True.",
        )
    spec = with_image(conversion_job(source), backend)
    asked = {"kind": "convert", "adapter": str(source), "digest": file_digest(source)}
    run = open_run(runs_root(), asked, fresh=True)
    with run.ends_with_its_errors():
        end = run_job(backend, spec, run.attempts, run.run_id)
        _require_ok(end)
        target = _take_over(end.out / WEIGHTS_FILE, folder / WEIGHTS_FILE)
        run.finish("ok")
    return target


def _require_ok(end: JobEnd) -> None:
    if end.interrupted:
        raise KeyboardInterrupt
    if not end.outcome.ok:
        raise JobFailed(
            f"the conversion failed: {end.message or end.outcome.reason}",
            reason=end.outcome.reason,
            exit_code=end.outcome.exit_code,
            hint=end.outcome.hint,
        )


def _take_over(written: Path, target: Path) -> Path:
    """Put what the job wrote beside the pickle, as the folder's owner would have."""
    try:
        read_header(written)
    except Unreadable as error:
        raise ResultError(
            f"the conversion's result is not sound: {error.problem.message}"
        ) from None
    if os.path.lexists(target):
        raise RefusedError(f"{target} has come to be meanwhile; it is not replaced")
    atomic.copy_untrusted(written, target, _LIMIT)
    if os.geteuid() == 0:
        owner = target.parent.stat()
        os.chown(target, owner.st_uid, owner.st_gid)
    written.unlink()
    return target
