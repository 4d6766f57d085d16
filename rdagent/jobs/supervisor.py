"""Run one job to its end: who may, whether one is there already, and whether to try again.

``attempt`` is one try; this room's other files are its parts.  Whoever runs a job holds
the lock of its attempts, which dies with the process: nobody else takes the job over,
removes it or starts a second one for as long.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdagent.errors import InfrastructureError, ResultError
from rdagent.files import untrusted
from rdagent.files.locks import file_lock
from rdagent.files.logs import log
from rdagent.files.storage import Reserve, storage_errors
from rdagent.jobs.access import require_readable
from rdagent.jobs.attempt import POLL_SECONDS, RESERVE_FILE, Attempt, JobEnd, Watch
from rdagent.jobs.backends.base import LABEL, Backend, FoundJob
from rdagent.jobs.exposure import require_unexposed
from rdagent.jobs.interrupts import Interrupts, signals_as_flags
from rdagent.jobs.outcome import Outcome
from rdagent.jobs.places import require_contained
from rdagent.jobs.reaper import reap
from rdagent.jobs.running import (
    CANCEL_FILE,
    LOCK_FILE,
    Running,
    forget_running,
    newest_attempt,
    read_running,
)
from rdagent.jobs.spec import JobSpec
from rdagent.records.reasons import Reason

__all__ = ["JobEnd", "Watch", "only_one", "run_job"]

#: Infrastructure errors are tried again this often; a failing program never is.
RETRIES = 2
RETRY_PAUSE_SECONDS = 2.0
_RETRIED: tuple[Reason, ...] = ("engine_restarted",)


def run_job(
    backend: Backend, spec: JobSpec, attempts: Path, run_id: str, watch: Watch | None = None
) -> JobEnd:
    """Run a job in a fresh attempt folder; infrastructure errors are tried again, twice at most.

    A job of the same spec that a killed process left there is taken over instead, with
    the deadline that it was started with.  Raises InfrastructureError when the engine
    cannot be used or the disk is full, RefusedError for inputs that are missing or
    unreadable.  Ctrl-C, TERM and a marker of ``cancel`` end the job and return the
    outcome ``cancelled``.
    """
    require_contained(spec)
    require_readable(spec.mounts, backend.user())
    require_unexposed(spec)
    with only_one(attempts), signals_as_flags() as interrupts:
        return _Run(backend, spec, attempts, watch or Watch(), interrupts).to_its_end(run_id)


@contextmanager
def only_one(attempts: Path) -> Iterator[None]:
    """Be the one that works for a run: ``cancel`` in another terminal leaves its marker here."""
    with storage_errors(attempts), file_lock(attempts / LOCK_FILE):
        (attempts / CANCEL_FILE).unlink(missing_ok=True)  # meant for an earlier job
        try:
            yield
        finally:
            (attempts / CANCEL_FILE).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Run:
    """One job and its tries."""

    backend: Backend
    spec: JobSpec
    attempts: Path
    watch: Watch
    interrupts: Interrupts

    def to_its_end(self, run_id: str) -> JobEnd:
        tried = 0
        while True:
            tried += 1
            try:
                end = replace(self._one_try(run_id), tries=tried)
            except InfrastructureError as error:
                if tried > RETRIES or not error.retryable:
                    raise
                log().warning("trying again after: {}", error.message)
                if self._is_cancelled_while_waiting(RETRY_PAUSE_SECONDS * tried):
                    raise
            else:
                if tried > RETRIES or end.outcome.reason not in _RETRIED or end.engine_lost:
                    return end
                log().warning("trying again: {}", end.outcome.reason)
                if self._is_cancelled_while_waiting(RETRY_PAUSE_SECONDS * tried):
                    cancelled = Outcome("cancelled")
                    return replace(end, outcome=cancelled, interrupted=self.interrupts.asked)

    def _one_try(self, run_id: str) -> JobEnd:
        self.backend.check(self.spec)
        reap(self.backend)  # what dead processes left holds memory and GPUs that this job needs
        left = self._taken_over()
        if left is not None and left.outcome.reason == "killed_externally":
            # It was killed while nobody watched, as its own orchestrator was: whoever asks
            # again wants it done.
            log().warning("what is taken over had been killed; beginning again")
            left = None
        return left or self._attempt(_new_attempt(self.attempts)).run(run_id)

    def _taken_over(self) -> JobEnd | None:
        """See a job to its end that a killed process left here; None when there is none."""
        folder = newest_attempt(self.attempts)
        running = read_running(folder) if folder else None
        found = [job for job in self.backend.found() if _folder_of(job).parent == self.attempts]
        for job in found:
            if folder and running and self._can_be_adopted(job, folder, running):
                return self._attempt(folder).adopt(job, running)
            self.backend.remove(job.identifier)
        if folder:
            forget_running(folder)
            Reserve(folder / RESERVE_FILE).free()
            shutil.rmtree(folder / "scratch", ignore_errors=True)
        return None

    def _can_be_adopted(self, job: FoundJob, folder: Path, running: Running) -> bool:
        """Tell whether a job is the one of the record, this very one, and has begun."""
        if job.name != running.name or not _is_same_job(folder, self.spec):
            return False
        return self.backend.state(job.identifier).phase in ("running", "exited")

    def _attempt(self, folder: Path) -> Attempt:
        return Attempt(self.backend, self.spec, folder, self.watch, self.interrupts)

    def _is_cancelled_while_waiting(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not (
            self.interrupts.asked
            or self.watch.cancel.is_set()
            or (self.attempts / CANCEL_FILE).exists()
        ):
            left = until - time.monotonic()
            if left <= 0:
                return False
            self.watch.cancel.wait(min(left, POLL_SECONDS))
        return True


def _folder_of(job: FoundJob) -> Path:
    return Path(job.labels.get(f"{LABEL}.folder", ""))


def _is_same_job(folder: Path, spec: JobSpec) -> bool:
    """Tell whether what was started is what is asked for; limits and their variables may differ."""
    try:
        written = untrusted.read_json(folder / "job.json")
    except ResultError:
        return False
    wanted = json.loads(json.dumps(spec.to_json()))
    if not isinstance(written, dict):
        return False
    return _essence(written) == _essence(wanted)


def _essence(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in ("limits", "environment")}


def _new_attempt(attempts: Path) -> Path:
    newest = newest_attempt(attempts)
    attempt = attempts / f"{int(newest.name) + 1 if newest else 1:03d}"
    attempt.mkdir()
    return attempt
