"""Plan an evaluation in a job of its own and say what it would take; nothing is answered."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rdagent.core.settings import load, runs_root
from rdagent.errors import JobFailed
from rdagent.evaluation.answers import answer_identity
from rdagent.evaluation.forecast import Forecast, forecast, measured_rates
from rdagent.evaluation.job import build_job
from rdagent.evaluation.request import EvaluationRequest
from rdagent.evaluation.run import Say, plan
from rdagent.files.storage import storage_errors
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.conf import BenchmarkDockerConf, with_timeout
from rdagent.jobs.interrupts import signals_as_flags
from rdagent.jobs.machine import with_image
from rdagent.jobs.supervisor import Watch, run_job

_FOLDER = ".plans"


#: A plan takes minutes: what is older was left by one that was killed.
_STALE_SECONDS = 24 * 3600


def _sweep(place: Path) -> None:
    for folder in place.glob("plan-*"):
        if folder.is_dir() and time.time() - folder.lstat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def plan_only(request: EvaluationRequest, backend: Backend, say: Say) -> Forecast:
    """Return the forecast; raises JobFailed when the tasks cannot be planned."""
    preflight, _ = plan(request)
    conf = with_timeout(load(BenchmarkDockerConf), request.timeout_seconds)
    # No GPU is needed to plan, and no model is loaded.
    spec = replace(with_image(build_job(preflight, conf, stage="plan"), backend), gpus=())
    place = runs_root() / _FOLDER
    with storage_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
    say("planning")
    with (
        signals_as_flags() as interrupts,
        tempfile.TemporaryDirectory(dir=place, prefix="plan-", ignore_cleanup_errors=True) as name,
    ):
        end = run_job(backend, spec, Path(name) / "attempts", Path(name).name, Watch())
        interrupts.raise_if_asked()
        if not end.outcome.ok:
            raise JobFailed(
                f"the evaluation could not be planned: {end.message or end.outcome.reason}",
                reason=end.outcome.reason,
                exit_code=end.outcome.exit_code,
                hint=end.outcome.hint,
            )
        facts = answer_identity(preflight, preflight.variants[0], spec)
        # How long a server takes is no matter of what stands in a ledger.
        rates = None if preflight.endpoint else measured_rates(runs_root(), facts)
        return forecast(end.out / "plan", len(preflight.variants), rates)
