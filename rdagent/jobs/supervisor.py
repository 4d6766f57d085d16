"""Run one job to its end: the deadline, the log, the clean-up and the name of the end.

State comes from the backend's ``state`` only: a log stream may end while the job
goes on.  Whatever happens, the job is removed before this returns.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from rdagent import __version__
from rdagent.errors import InfrastructureError, ResultError
from rdagent.files import atomic, untrusted
from rdagent.files.digests import text_digest
from rdagent.files.logs import log
from rdagent.jobs.access import JobUser, give_to, job_user, require_readable
from rdagent.jobs.backends.base import (
    LABEL,
    Backend,
    JobState,
    PreparedJob,
    StartFailed,
    attempt_mounts,
    fill_in,
)
from rdagent.jobs.logfile import LogFile
from rdagent.jobs.outcome import Evidence, Intent, Outcome, Results, decide
from rdagent.jobs.owner import this_owner
from rdagent.jobs.spec import JobSpec, Mount
from rdagent.records.events import now
from rdagent.records.reasons import Reason
from rdagent.records.status import STATUS_FILE, InsideStatus

POLL_SECONDS = 0.2
DISK_CHECK_SECONDS = 15.0
FILES_LIMIT = 200_000
#: Infrastructure errors are tried again this often; a failing program never is.
RETRIES = 2
RETRY_PAUSE_SECONDS = 2.0
_RETRIED: tuple[Reason, ...] = ("engine_restarted",)
_UNREACHABLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended, and where its files are."""

    outcome: Outcome
    attempt: Path
    seconds: float
    tries: int
    exit_code: int | None
    message: str = ""
    #: Ctrl-C ended it; whoever called is to be told once everything is written.
    interrupted: bool = False

    @property
    def out(self) -> Path:
        """The folder that the job wrote to."""
        return self.attempt / "out"

    @property
    def log(self) -> Path:
        """The job's log."""
        return self.attempt / "log.txt"


@dataclass(slots=True)
class Watch:
    """What the caller wants to know and to do while a job runs."""

    #: Called about five times a second with the attempt's folder; must be quick.
    on_poll: Callable[[Path], None] | None = None
    cancel: threading.Event = field(default_factory=threading.Event)


def run_job(
    backend: Backend, spec: JobSpec, attempts: Path, run_id: str, watch: Watch | None = None
) -> JobEnd:
    """Run a job in a fresh attempt folder; infrastructure errors are tried again, twice at most.

    Raises InfrastructureError when the engine cannot be used, RefusedError for
    inputs that are missing or unreadable.  Ctrl-C ends the job and returns the
    outcome ``cancelled``.
    """
    watch = watch or Watch()
    require_readable(spec.mounts, job_user())
    tried = 0
    while True:
        tried += 1
        try:
            backend.check(spec)
            end = _Attempt(backend, spec, _new_attempt(attempts), run_id, watch).run(tried)
        except InfrastructureError as error:
            if tried > RETRIES or not error.retryable:
                raise
            log().warning("trying again after: {}", error.message)
        else:
            if tried > RETRIES or end.outcome.reason not in _RETRIED:
                return end
            log().warning("trying again: {}", end.outcome.reason)
        if watch.cancel.wait(RETRY_PAUSE_SECONDS * tried):
            raise InfrastructureError("cancelled while waiting to try again")


def _new_attempt(attempts: Path) -> Path:
    attempts.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(p.name) for p in attempts.iterdir() if p.name.isdigit()), default=0)
    attempt = attempts / f"{number:03d}"
    attempt.mkdir()
    return attempt


class _Attempt:
    """One try of a job, from its folder to its removal."""

    def __init__(
        self, backend: Backend, spec: JobSpec, folder: Path, run_id: str, watch: Watch
    ) -> None:
        self._backend, self._spec, self._folder = backend, spec, folder
        self._run_id, self._watch = run_id, watch
        self._user: JobUser = job_user()
        self._intent: Intent = "none"
        self._lost_engine = False
        self._interrupted = False
        self._next_disk_check = DISK_CHECK_SECONDS
        self._message = ""

    def run(self, tried: int) -> JobEnd:
        job = self._prepare()
        started = time.monotonic()
        identifier = self._backend.create(job)
        try:
            evidence = self._start_and_watch(identifier, started)
        finally:
            self._remove(identifier)
            shutil.rmtree(self._folder / "scratch", ignore_errors=True)
        evidence = replace(evidence, intent=self._intent, engine_restarted=self._lost_engine)
        evidence = self._with_results(evidence)
        return JobEnd(
            outcome=decide(evidence),
            attempt=self._folder,
            seconds=round(time.monotonic() - started, 3),
            tries=tried,
            exit_code=evidence.exit_code,
            message=self._message,
            interrupted=self._interrupted,
        )

    def _prepare(self) -> PreparedJob:
        for name in ("out", "scratch"):
            give_to(self._folder / name, self._user)
        mounts = (*attempt_mounts(self._folder), *self._spec.mounts, *self._overlays())
        words = fill_in(self._backend, self._spec, mounts)
        (self._folder / "in").mkdir()
        (self._folder / "in").chmod(0o755)
        for name, text in words.files.items():
            atomic.write_text(self._folder / "in" / name, text)
        atomic.write_json(self._folder / "job.json", self._spec.to_json())
        return PreparedJob(
            name=f"rdagent-{self._run_id}-{self._folder.name}-{text_digest(str(self._folder))[:8]}",
            spec=self._spec,
            mounts=mounts,
            user_id=self._user.user_id,
            group_id=self._user.group_id,
            labels={
                f"{LABEL}.owner": this_owner(),
                f"{LABEL}.run": self._run_id,
                f"{LABEL}.attempt": self._folder.name,
                f"{LABEL}.folder": str(self._folder),
                f"{LABEL}.profile": self._spec.role,
                f"{LABEL}.created": now(),
                f"{LABEL}.version": __version__,
            },
        )

    def _overlays(self) -> list[Mount]:
        overlays = []
        for name, target in self._spec.overlays.items():
            give_to(self._folder / "out" / name, self._user)
            overlays.append(Mount(name, str(self._folder / "out" / name), target, read_only=False))
        return overlays

    def _start_and_watch(self, identifier: str, started: float) -> Evidence:
        try:
            self._backend.start(identifier)
        except StartFailed as failure:
            self._message = str(failure)
            return Evidence(engine_error=failure.kind)
        cap = self._spec.limits.log_bytes
        with LogFile(self._folder / "log.txt", cap) as log:
            pump = _Pump(self._backend, identifier, log)
            pump.start()
            state = self._watch_until_end(identifier, started)
            pump.finish()
        return Evidence(exit_code=state.exit_code, out_of_memory=state.out_of_memory)

    def _watch_until_end(self, identifier: str, started: float) -> JobState:
        while True:
            try:
                state = self._state(identifier)
                if state.phase == "gone":
                    return JobState("gone", exit_code=137)
                if state.phase == "exited":
                    return state
                self._look_around(started)
                if self._intent != "none":
                    return self._end_it(identifier)
                self._watch.cancel.wait(POLL_SECONDS)
            except KeyboardInterrupt:
                self._intent, self._interrupted = "cancelled", True
                return self._end_it(identifier)

    def _state(self, identifier: str) -> JobState:
        """Ask for the state; an engine that is away for a while is waited for."""
        given_up = time.monotonic() + _UNREACHABLE_SECONDS
        while True:
            try:
                return self._backend.state(identifier)
            except InfrastructureError:
                self._lost_engine = True
                if time.monotonic() > given_up:
                    raise
                time.sleep(1.0)

    def _look_around(self, started: float) -> None:
        spent = time.monotonic() - started
        self._tell()
        if self._watch.cancel.is_set():
            self._intent = "cancelled"
        elif spent > self._spec.limits.deadline_seconds:
            self._intent = "timeout"
        elif self._wrote_too_much(spent):
            self._intent = "disk_full"

    def _tell(self) -> None:
        """Let the caller look; what goes wrong there costs the progress, not the job."""
        if not self._watch.on_poll:
            return
        try:
            self._watch.on_poll(self._folder)
        except Exception as error:
            log().warning("progress is no longer shown: {}", error)
            self._watch.on_poll = None

    def _wrote_too_much(self, spent: float) -> bool:
        if spent < self._next_disk_check:
            return False
        self._next_disk_check = spent + DISK_CHECK_SECONDS
        return holds_more_than(self._folder / "out", self._spec.limits.out_bytes)

    def _end_it(self, identifier: str) -> JobState:
        log().info("ending the job: {}", self._intent)
        try:
            self._backend.stop(identifier, self._spec.limits.grace_seconds)
        except KeyboardInterrupt:
            self._backend.kill(identifier)
        state = self._state(identifier)
        if state.phase == "running":
            self._backend.kill(identifier)
            state = self._state(identifier)
        return state

    def _remove(self, identifier: str) -> None:
        try:
            self._backend.remove(identifier)
        except InfrastructureError as error:
            log().error("the job could not be removed: {}", error.message)

    def _with_results(self, evidence: Evidence) -> Evidence:
        out = self._folder / "out"
        results, said = results_of(out, self._spec.results)
        if said and said.message:
            self._message = self._message or said.message
        return replace(evidence, results=results, said=said.reason if said else None)


def holds_more_than(folder: Path, limit: int) -> bool:
    """Tell whether a folder that a job writes to holds more bytes, or more files, than it may."""
    total = count = 0
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
                    if total > limit or count > FILES_LIMIT:
                        return True
        except OSError:
            continue  # what is deleted while it is looked at takes no room
    return False


def results_of(out: Path, expected: tuple[str, ...]) -> tuple[Results, InsideStatus | None]:
    """Tell whether a job wrote what it must, and what it said of its own end.

    A job that expects no ``status.json`` has nothing to say.
    """
    said: InsideStatus | None = None
    try:
        for name in expected:
            path = out / name
            if not path.exists() or path.is_symlink():
                return "missing", said
            if name == STATUS_FILE:
                said = InsideStatus.read(out)
            elif name.endswith(".json"):
                untrusted.read_json(path)
    except ResultError:
        return "invalid", said
    return "present", said


class _Pump(threading.Thread):
    """Carries a job's output into its log; a stream that ends early is taken up again."""

    def __init__(self, backend: Backend, identifier: str, log: LogFile) -> None:
        super().__init__(name=f"log-{identifier[:12]}", daemon=True)
        self._backend, self._identifier, self._log = backend, identifier, log
        self._ended = threading.Event()
        self._failed = False

    def run(self) -> None:
        since = 0.0
        while True:
            last_round = self._ended.is_set()
            try:
                for chunk in self._backend.follow(self._identifier, since):
                    self._keep(chunk)
                    since = time.time()
            except InfrastructureError as error:
                log().debug("log stream: {}", error.message)
            if last_round or self._ended.wait(0.3):
                return

    def _keep(self, chunk: bytes) -> None:
        """Write to the log; a disk that is full costs the log, not the job."""
        try:
            self._log.write(chunk)
        except OSError as error:
            if not self._failed:
                log().warning("the log could not be written: {}", error)
            self._failed = True

    def finish(self) -> None:
        """Wait, for a bounded time, until what the job wrote last is in the log."""
        self._ended.set()
        self.join(timeout=10)
