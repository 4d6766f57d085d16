"""One try of a job, from its folder to its removal; ``supervisor`` decides about further ones.

State comes from the backend's ``state`` only: a log stream may end while the job
goes on.  Whatever happens, the job is removed before this returns.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rdagent import __version__
from rdagent.errors import InfrastructureError
from rdagent.files import atomic
from rdagent.files.digests import text_digest
from rdagent.files.logs import log
from rdagent.files.redaction import Redactor, known_secrets, redact_text, secrets_of
from rdagent.files.storage import Reserve, is_full, no_room_left
from rdagent.jobs.access import JobUser, give_to
from rdagent.jobs.backends.base import (
    LABEL,
    Backend,
    FoundJob,
    JobState,
    PreparedJob,
    StartFailed,
    attempt_mounts,
    fill_in,
)
from rdagent.jobs.interrupts import Interrupts
from rdagent.jobs.log_pump import REPLAYED_BYTES, LogPump
from rdagent.jobs.logfile import LogFile
from rdagent.jobs.outcome import Evidence, Intent, Outcome, decide
from rdagent.jobs.output import holds_more_than, results_of
from rdagent.jobs.owner import this_owner
from rdagent.jobs.running import CANCEL_FILE, Running, forget_running
from rdagent.jobs.spec import JobSpec, Mount
from rdagent.records.events import now

POLL_SECONDS = 0.2
DISK_CHECK_SECONDS = 15.0
#: So long an engine that does not answer is waited for.
UNREACHABLE_SECONDS = 120.0
#: So long a job may take to be gone after it was killed.
_KILLED_SECONDS = 20.0
LOG_FILE = "log.txt"
RESERVE_FILE = ".reserve"


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
    #: It was begun by a process that died, and taken over.
    adopted: bool = False
    #: The engine did not come back in time; trying again makes no sense now.
    engine_lost: bool = False

    @property
    def out(self) -> Path:
        """The folder that the job wrote to."""
        return self.attempt / "out"

    @property
    def log(self) -> Path:
        """The job's log."""
        return self.attempt / LOG_FILE


@dataclass(slots=True)
class Watch:
    """What the caller wants to know and to do while a job runs."""

    #: Called about five times a second with the attempt's folder; must be quick.
    on_poll: Callable[[Path], None] | None = None
    cancel: threading.Event = field(default_factory=threading.Event)


class Attempt:
    """One try of a job."""

    def __init__(
        self,
        backend: Backend,
        spec: JobSpec,
        folder: Path,
        watch: Watch,
        interrupts: Interrupts,
    ) -> None:
        self._backend, self._spec, self._folder = backend, spec, folder
        self._watch, self._interrupts = watch, interrupts
        self._user: JobUser = backend.user()
        self._reserve = Reserve(folder / RESERVE_FILE)
        self._intent: Intent = "none"
        self._lost_engine = self._gave_up = False
        self._next_disk_check = DISK_CHECK_SECONDS
        self._message = ""
        self._disk_full = False

    def run(self, run_id: str) -> JobEnd:
        """Make the job, start it and see it to its end."""
        identifier = ""
        with self._cleaned_up(lambda: identifier):
            job = self._prepare(run_id)
            self._reserve.take()
            started = time.monotonic()
            Running.beginning(job.name, self._spec.limits.deadline_seconds).write(self._folder)
            # An engine that died over ``create`` may have made it all the same.
            identifier = job.name
            identifier = self._backend.create(job)
            evidence = self._start_and_watch(identifier, started)
        return self._end(evidence, started)

    def adopt(self, job: FoundJob, running: Running) -> JobEnd:
        """See a job to its end that a dead process began, with its original deadline."""
        limits = replace(self._spec.limits, deadline_seconds=running.deadline_seconds)
        self._spec = replace(self._spec, limits=limits)
        started = time.monotonic() - running.seconds_ago()
        log().warning("taking over {}, whose process has died", running.name)
        self._keep_long_log()
        with self._cleaned_up(lambda: job.identifier):
            evidence = self._watch_job(job.identifier, started)
        return replace(self._end(evidence, started), adopted=True)

    def _keep_long_log(self) -> None:
        """The log is read again from the engine, which may have dropped the start of a long one."""
        path = self._folder / LOG_FILE
        if path.exists() and path.stat().st_size >= REPLAYED_BYTES:
            path.rename(self._folder / "log.before.txt")

    def _end(self, evidence: Evidence, started: float) -> JobEnd:
        evidence = replace(
            evidence,
            intent=self._intent,
            engine_restarted=self._lost_engine,
            disk_full=self._disk_full,
        )
        results, said = results_of(self._folder / "out", self._spec.results)
        if said and said.message:
            self._message = self._message or said.message
        evidence = replace(evidence, results=results, said=said.reason if said else None)
        return JobEnd(
            outcome=decide(evidence),
            attempt=self._folder,
            seconds=round(time.monotonic() - started, 3),
            tries=1,
            exit_code=evidence.exit_code,
            message=redact_text(self._message, self._secrets()),
            interrupted=self._interrupts.asked,
            engine_lost=self._gave_up,
        )

    def _prepare(self, run_id: str) -> PreparedJob:
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
            name=f"rdagent-{run_id}-{self._folder.name}-{text_digest(str(self._folder))[:8]}",
            spec=self._spec,
            mounts=mounts,
            user_id=self._user.user_id,
            group_id=self._user.group_id,
            labels={
                f"{LABEL}.owner": this_owner(),
                f"{LABEL}.run": run_id,
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
        return self._watch_job(identifier, started)

    def _watch_job(self, identifier: str, started: float) -> Evidence:
        cap = self._spec.limits.log_bytes
        with LogFile(self._folder / LOG_FILE, cap, Redactor(self._secrets())) as sink:
            pump = LogPump(self._backend, identifier, sink)
            pump.start()
            try:
                state = self._watch_until_end(identifier, started)
                if not self._gave_up:
                    pump.finish()
            finally:
                pump.leave()
            self._disk_full = no_room_left(self._folder) or bool(
                sink.trouble and is_full(sink.trouble)
            )
            self._reserve.free()
        return Evidence(exit_code=state.exit_code, out_of_memory=state.out_of_memory)

    def _secrets(self) -> tuple[str, ...]:
        return (*known_secrets(), *secrets_of(self._spec.environment).values())

    def _watch_until_end(self, identifier: str, started: float) -> JobState:
        while True:
            state = self._state(identifier)
            if state.phase == "gone" and not self._gave_up:
                return JobState("gone", exit_code=137)
            if state.phase in ("exited", "gone"):
                return state
            self._look_around(started)
            if self._intent != "none":
                return self._end_it(identifier)
            self._watch.cancel.wait(POLL_SECONDS)

    def _state(self, identifier: str) -> JobState:
        """Ask for the state; an engine that is away is waited for, but not for ever."""
        given_up = time.monotonic() + UNREACHABLE_SECONDS
        while True:
            try:
                return self._backend.state(identifier)
            except InfrastructureError as error:
                self._lost_engine = True
                if time.monotonic() > given_up or self._interrupts.hurry:
                    return self._give_up(identifier, error)
                time.sleep(POLL_SECONDS)

    def _give_up(self, identifier: str, error: InfrastructureError) -> JobState:
        self._gave_up = True
        if self._interrupts.asked:
            self._intent = "cancelled"
        self._message = (
            f"the container engine no longer answers ({error.message}); the job "
            f"{identifier[:12]} may still be there, and the next start removes it"
        )
        return JobState("gone")

    def _look_around(self, started: float) -> None:
        spent = time.monotonic() - started
        self._tell()
        if self._is_cancelled():
            self._intent = "cancelled"
        elif spent > self._spec.limits.deadline_seconds:
            self._intent = "timeout"
        elif self._wrote_too_much(spent):
            self._intent = "disk_full"

    def _is_cancelled(self) -> bool:
        return (
            self._interrupts.asked
            or self._watch.cancel.is_set()
            or (self._folder.parent / CANCEL_FILE).exists()
        )

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
        """Stop the job; a second Ctrl-C, or a stop that hangs, kills it."""
        log().info("ending the job: {}", self._intent)
        grace = self._spec.limits.grace_seconds
        stopping = threading.Thread(target=self._try, args=("stop", identifier, grace), daemon=True)
        stopping.start()
        given_up = time.monotonic() + grace + _KILLED_SECONDS
        while stopping.is_alive() and time.monotonic() < given_up and not self._interrupts.hurry:
            stopping.join(POLL_SECONDS)
        state = self._state(identifier)
        given_up = time.monotonic() + _KILLED_SECONDS
        while state.phase == "running" and time.monotonic() < given_up:
            self._try("kill", identifier)
            time.sleep(POLL_SECONDS)
            state = self._state(identifier)
        return state

    def _try(self, verb: str, identifier: str, *arguments: float) -> None:
        try:
            getattr(self._backend, verb)(identifier, *arguments)
        except InfrastructureError as error:
            log().warning("could not {} the job: {}", verb, error.message)

    @contextmanager
    def _cleaned_up(self, identifier: Callable[[], str]) -> Iterator[None]:
        """Remove the job in any case; after an error that leaves it there, its record stays too."""
        try:
            yield
        except BaseException:
            if self._remove(identifier()):
                forget_running(self._folder)
            raise
        else:
            self._remove(identifier())
            forget_running(self._folder)
        finally:
            self._reserve.free()
            shutil.rmtree(self._folder / "scratch", ignore_errors=True)

    def _remove(self, identifier: str) -> bool:
        if self._gave_up or not identifier:
            return not identifier
        try:
            self._backend.remove(identifier)
        except InfrastructureError as error:
            log().error("the job could not be removed: {}", error.message)
            return False
        return True
