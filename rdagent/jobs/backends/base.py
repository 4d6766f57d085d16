"""The seam between a job and what runs it; one conformance suite holds for every backend.

A backend starts, watches and ends; it decides nothing.  The deadline, the log
file and the name of the end belong to the supervisor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from rdagent.jobs.access import JobUser
from rdagent.jobs.outcome import EngineError
from rdagent.jobs.ready import Progress, Ready
from rdagent.jobs.spec import Accelerator, JobSpec, Mount, Role, substitute

Phase = Literal["created", "running", "exited", "gone"]

LABEL = "io.rdagent"
#: References that every job may use though they are no mounts of it: where its role's
#: entry scripts lie, and a folder for temporary files.
APP, TMP = "app", "tmp"


@dataclass(frozen=True, slots=True)
class JobState:
    """What the engine says of a job at one moment."""

    phase: Phase
    exit_code: int | None = None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A spec with everything filled in that only the supervisor knows."""

    name: str
    spec: JobSpec
    mounts: tuple[Mount, ...]
    user_id: int
    group_id: int
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job of ours that the engine still knows."""

    identifier: str
    name: str
    labels: Mapping[str, str]


class StartFailed(Exception):  # never reaches a user: the supervisor turns it into evidence
    """The engine made the job but could not start it."""

    def __init__(self, kind: EngineError, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Backend(Protocol):
    """What every backend can do.

    ``create`` and everything after it may raise InfrastructureError.  ``stop``,
    ``kill`` and ``remove`` are safe on a job that has ended or is gone.
    """

    name: str
    isolates: bool

    def user(self) -> JobUser:
        """Return as whom jobs run."""

    def image(self, role: Role, accelerator: Accelerator = "cpu") -> str:
        """Name what a role runs in, by content; raises ImageUnavailable if it was never made."""

    def ensure(self, role: Role, accelerator: Accelerator = "cpu", *, progress: Progress) -> Ready:
        """Make what a role runs in, or find that it is there."""

    def check(self, spec: JobSpec) -> None:
        """Raise if this backend cannot run the job: no engine, no image."""

    def place(self, mount: Mount) -> str:
        """Return the path at which a job sees a mount."""

    def own_places(self, spec: JobSpec, mounts: Sequence[Mount]) -> Mapping[str, str]:
        """Return what the references ``app`` and ``tmp`` stand for in this job."""

    def create(self, job: PreparedJob) -> str:
        """Make the job without starting it and return its identifier."""

    def start(self, identifier: str) -> None:
        """Start it; raises StartFailed when the engine cannot."""

    def state(self, identifier: str) -> JobState:
        """Return what the engine says now."""

    def follow(self, identifier: str, since: float) -> Iterator[bytes]:
        """Yield output as it comes, from ``since`` (seconds of the epoch) on.

        The end of this stream is not the end of the job.
        """

    def stop(self, identifier: str, grace_seconds: float) -> None:
        """Ask it to end, and kill it after the grace."""

    def kill(self, identifier: str) -> None:
        """End it at once."""

    def remove(self, identifier: str) -> None:
        """Forget it; nothing of it is left in the engine."""

    def found(self) -> list[FoundJob]:
        """List the jobs of ours that the engine still knows, of any orchestrator."""


@dataclass(frozen=True, slots=True)
class FilledIn:
    """A job's words with every ``{mount:name}`` replaced for one backend."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    workdir: str
    files: dict[str, str]


def fill_in(backend: Backend, spec: JobSpec, mounts: tuple[Mount, ...]) -> FilledIn:
    """Replace references to mounts by what a job of this backend sees there."""
    places = {mount.name: backend.place(mount) for mount in mounts}
    places |= backend.own_places(spec, mounts)
    return FilledIn(
        argv=tuple(substitute(word, places) for word in spec.argv),
        environment={name: substitute(value, places) for name, value in spec.environment.items()},
        workdir=substitute(spec.workdir, places),
        files={name: substitute(text, places) for name, text in spec.files.items()},
    )


def isolation_note(backend: Backend) -> str | None:
    """Return what a reader of results is told of a backend that does not shut its jobs in."""
    if backend.isolates:
        return None
    return (
        f"run on the backend {backend.name}, which does not isolate: the job could reach the "
        "network and whatever its user may read or write"
    )


def attempt_mounts(attempt: Path) -> tuple[Mount, ...]:
    """Return the mounts under an attempt's folder that every job has."""
    return (
        Mount("out", str(attempt / "out"), "/job/out", read_only=False),
        Mount("scratch", str(attempt / "scratch"), "/job/scratch", read_only=False),
        Mount("in", str(attempt / "in"), "/job/in"),
    )
