"""Jobs that only pretend to run, for fast tests; the conformance suite keeps this honest.

A test registers, per argv, what the program would do: what it prints and writes,
how long it takes, how it ends and whether it listens to TERM.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rdagent.errors import ImageUnavailable, InfrastructureError
from rdagent.jobs.access import JobUser, job_user
from rdagent.jobs.backends.base import (
    APP,
    TMP,
    FilledIn,
    FoundJob,
    JobState,
    PreparedJob,
    StartFailed,
    fill_in,
)
from rdagent.jobs.outcome import EngineError
from rdagent.jobs.ready import Progress, Ready
from rdagent.jobs.spec import Accelerator, JobSpec, Mount, Role

_KILLED, _TERMINATED = 137, 143


@dataclass(frozen=True, slots=True)
class Program:
    """What a pretended program does."""

    exit_code: int = 0
    prints: tuple[bytes, ...] = ()
    seconds: float = 0.0
    ignores_term: bool = False
    out_of_memory: bool = False
    start_error: EngineError = "none"
    #: Files, by name under ``out``, that it writes before it ends.
    writes: Mapping[str, bytes] = field(default_factory=dict)
    #: Called with the job's words and its folder ``out`` before it ends.
    does: Callable[[FilledIn, Path], None] | None = None


@dataclass(slots=True)
class _Job:
    prepared: PreparedJob
    words: FilledIn
    program: Program
    started: float | None = None
    ended_by: int | None = None
    acted: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class FakeBackend:
    """Keeps jobs in memory; ``programs`` maps an argv to what it would do."""

    name = "fake"
    isolates = False

    def __init__(self, programs: Mapping[tuple[str, ...], Program]) -> None:
        self._programs = programs
        self._jobs: dict[str, _Job] = {}
        self._count = itertools.count(1)
        self.images = {None, "train", "lm-eval"}
        self.gpus: set[str] = set()
        #: Raised, each once, by the next calls of ``state``.
        self.failures: list[InfrastructureError] = []
        self.created: list[PreparedJob] = []

    def user(self) -> JobUser:
        """Return whom a container engine would run jobs as."""
        return job_user()

    def image(self, role: Role, accelerator: Accelerator = "cpu") -> str:
        """Name a role's image; it is there."""
        self.images.add(f"fake-{role}")
        return f"fake-{role}"

    def ensure(self, role: Role, accelerator: Accelerator = "cpu", *, progress: Progress) -> Ready:
        """Pretend that nothing has to be made."""
        return Ready(self.image(role), built=False, seconds=0.0)

    def check(self, spec: JobSpec) -> None:
        """Raise if the image is not among ``images``."""
        if spec.image not in self.images:
            raise ImageUnavailable(f"the image {spec.image} is not there")

    def place(self, mount: Mount) -> str:
        """Return the target, as a container would see it."""
        return mount.target

    def own_places(self, spec: JobSpec, mounts: Sequence[Mount]) -> Mapping[str, str]:
        """Return what a container would have."""
        return {APP: "/app", TMP: "/tmp"}  # noqa: S108

    def create(self, job: PreparedJob) -> str:
        """Remember the job."""
        words = fill_in(self, job.spec, job.mounts)
        identifier = f"fake{next(self._count)}"
        program = self._programs.get(words.argv)
        if program is None:
            program = Program(start_error="entry_not_found")
        self._jobs[identifier] = _Job(job, words, program)
        self.created.append(job)
        return identifier

    def start(self, identifier: str) -> None:
        """Begin to pretend."""
        job = self._jobs[identifier]
        if not set(job.prepared.spec.gpus) <= self.gpus:
            raise StartFailed("gpu_unavailable", f"not here: {job.prepared.spec.gpus}")
        if job.program.start_error != "none":
            raise StartFailed(job.program.start_error, f"cannot start {job.words.argv}")
        job.started = time.monotonic()

    def state(self, identifier: str) -> JobState:
        """Tell how far the job is."""
        if self.failures:
            raise self.failures.pop(0)
        job = self._jobs.get(identifier)
        if job is None:
            return JobState("gone")
        if job.started is None:
            return JobState("created")
        if job.ended_by is not None:
            return JobState("exited", job.ended_by)
        if time.monotonic() - job.started < job.program.seconds:
            return JobState("running")
        self._act(job)
        return JobState("exited", job.program.exit_code, job.program.out_of_memory)

    def _act(self, job: _Job) -> None:
        with job.lock:
            if job.acted:
                return
            out = next(Path(m.source) for m in job.prepared.mounts if m.name == "out")
            for name, content in job.program.writes.items():
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (out / name).write_bytes(content)
            if job.program.does:
                job.program.does(job.words, out)
            job.acted = True

    def follow(self, identifier: str, since: float) -> Iterator[bytes]:
        """Yield what it prints, once, and end when the job does."""
        job = self._jobs.get(identifier)
        if job is None or since > 0:
            return
        yield from job.program.prints
        while self._jobs.get(identifier) is job and job.ended_by is None:
            if job.started and time.monotonic() - job.started >= job.program.seconds:
                return
            time.sleep(0.01)

    def stop(self, identifier: str, grace_seconds: float) -> None:
        """End it: at once if it listens to TERM, else after the grace."""
        job = self._running(identifier)
        if job:
            if job.program.ignores_term:
                time.sleep(grace_seconds)
            job.ended_by = _KILLED if job.program.ignores_term else _TERMINATED

    def kill(self, identifier: str) -> None:
        """End it at once."""
        job = self._running(identifier)
        if job:
            job.ended_by = _KILLED

    def _running(self, identifier: str) -> _Job | None:
        job = self._jobs.get(identifier)
        return job if job and self.state(identifier).phase == "running" else None

    def remove(self, identifier: str) -> None:
        """Forget it."""
        self._jobs.pop(identifier, None)

    def found(self) -> list[FoundJob]:
        """List what was not removed."""
        return [
            FoundJob(identifier, job.prepared.name, job.prepared.labels)
            for identifier, job in self._jobs.items()
        ]
