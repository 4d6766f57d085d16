"""The seed's ``env.run(entry=, local_path=, env=)``: any command in a shut container.

``local_environment`` holds the same for machines without an engine.

The workspace is seen at ``/workspace``, read-only but for the folders in
``writable``: those begin empty, and what is in them at the end comes back into the
workspace as the caller's own.
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.core.settings import load, runs_root
from rdagent.errors import RefusedError, ResultError
from rdagent.files import atomic
from rdagent.files.printable import printable
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.conf import BenchmarkDockerConf, DockerConf, FTDockerConf
from rdagent.jobs.gpus import visible_gpus
from rdagent.jobs.images import ensure_image
from rdagent.jobs.images.own import ensure_own
from rdagent.jobs.interrupts import signals_as_flags
from rdagent.jobs.logfile import tail
from rdagent.jobs.profiles import Resources, evaluate_limits, offline_environment, train_limits
from rdagent.jobs.runs import open_run
from rdagent.jobs.spec import JobSpec, Limits, Mount, Role, accelerator_of
from rdagent.jobs.supervisor import Watch, run_job
from rdagent.records.reasons import Reason

_SHELL_SIGNS = ("&&", ";", "|", ">", "$(")
_STDOUT_BYTES = 1 << 20
_FILE_LIMIT = 64 << 30


@dataclass(frozen=True, slots=True)
class EnvResult:
    """What came of a command; ``exit_code`` is 124 when the deadline was reached."""

    stdout: str
    exit_code: int
    running_time: float
    reason: Reason


def split_entry(entry: str | Sequence[str]) -> tuple[str, ...]:
    """Return the argv; a line that needs a shell is refused, since no shell is there."""
    if not isinstance(entry, str):
        return tuple(entry)
    for sign in _SHELL_SIGNS:
        if sign in entry:
            raise RefusedError(
                f"the entry {entry!r} holds {sign!r}, which needs a shell",
                hint="Put the commands into a script in the workspace and run 'bash script.sh'.",
            )
    try:
        words = shlex.split(entry)
    except ValueError as error:
        raise RefusedError(f"the entry {entry!r} cannot be split into words: {error}") from error
    if not words:
        raise RefusedError("the entry is empty", hint="Give a command, as text or as a list.")
    return tuple(words)


class CommandEnv(ABC):
    """Somewhere that commands run; making the object does no I/O."""

    #: Folders of the workspace that a container may write to.
    writable: tuple[str, ...] = ()

    def __init__(self, backend: Backend | None = None) -> None:
        self._backend = backend

    @abstractmethod
    def _spec(
        self, entry: str | Sequence[str] | None, workspace: Path, env: Mapping[str, str]
    ) -> JobSpec:
        """Return the job of a command."""

    @abstractmethod
    def _own_backend(self) -> Backend:
        """Return the backend to use when none was given."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what the commands run in if it is not there; nothing when nothing changed."""

    def _watch(self) -> Watch:
        return Watch()

    def dry_run(
        self,
        entry: str | Sequence[str] | None = None,
        local_path: str | Path = ".",
        env: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Show argv, mounts, environment and limits of a run; starts nothing."""
        return self._spec(entry, Path(local_path), env or {}).to_json()

    def run(
        self,
        entry: str | Sequence[str] | None = None,
        local_path: str | Path = ".",
        env: Mapping[str, str] | None = None,
    ) -> EnvResult:
        """Run a command over a workspace; what it wrote there is the caller's own."""
        workspace = Path(local_path).absolute()
        spec = self._spec(entry, workspace, env or {})
        if self._backend is None:
            self.prepare()
        for name in self.writable:
            (workspace / name).mkdir(parents=True, exist_ok=True)
        request = {"kind": "command", "job": spec.to_json(), "workspace": str(workspace)}
        run = open_run(runs_root(), request, fresh=True)
        with signals_as_flags() as interrupts, run.ends_with_its_errors():
            end = run_job(self._running_backend(), spec, run.attempts, run.run_id, self._watch())
            left: list[str] = []
            for name in self.writable:
                left += _bring_back(end.out / name, workspace / name)
            if left:
                run.event("left_behind", files=left[:100])
            run.finish(end.outcome.reason, end.message)
        interrupts.raise_if_asked()
        code = end.exit_code if end.outcome.reason == "command_failed" else end.outcome.exit_code
        return EnvResult(
            stdout=printable(tail(end.log, _STDOUT_BYTES)),
            exit_code=code if code is not None else end.outcome.exit_code,
            running_time=end.seconds,
            reason=end.outcome.reason,
        )

    def _running_backend(self) -> Backend:
        if self._backend is None:
            self._backend = self._own_backend()
        return self._backend


class DockerEnv(CommandEnv):
    """One kind of container."""

    conf_class: type[DockerConf] = DockerConf
    writable: tuple[str, ...] = ("logs",)

    def __init__(self, conf: DockerConf | None = None, backend: Backend | None = None) -> None:
        super().__init__(backend)
        self._conf = conf

    @property
    def conf(self) -> DockerConf:
        """The configuration, read from the environment when it was not given."""
        if self._conf is None:
            self._conf = load(self.conf_class)
        return self._conf

    def prepare(self) -> None:
        """Build the image if it is not there; builds nothing when nothing changed."""
        if self.conf.image is None and self.conf.own_recipe:
            ensure_own(self.conf.own_recipe, progress=lambda line: None)
        elif self.conf.image is None:
            ensure_image(
                self.conf.role,
                accelerator=accelerator_of(self._gpus()),
                progress=lambda line: None,
            )

    def _gpus(self) -> tuple[str, ...]:
        return visible_gpus() if self.conf.enable_gpu else ()

    def _own_backend(self) -> Backend:
        from rdagent.jobs.backends.docker import DockerBackend

        return DockerBackend()

    def _spec(
        self, entry: str | Sequence[str] | None, workspace: Path, env: Mapping[str, str]
    ) -> JobSpec:
        conf, root = self.conf, self.conf.mount_path.rstrip("/")
        mounts = [Mount("workspace", str(workspace.absolute()), root)]
        gpus = self._gpus()
        limits = limits_of(conf.role, conf.resources())
        return JobSpec(
            role=conf.role,
            argv=split_entry(entry if entry is not None else conf.default_entry),
            limits=limits,
            mounts=(*mounts, *extra_mounts(conf.extra_volumes)),
            environment={**told_every_command(limits, len(gpus)), **env},
            gpus=gpus,
            network="bridge" if conf.network == "bridge" else "none",
            workdir=root,
            image=conf.chosen_image,
            overlays={name: f"{root}/{name}" for name in self.writable},
        )


def extra_mounts(volumes: Mapping[str, str]) -> list[Mount]:
    """Return the further read-only folders of a configuration."""
    return [Mount(f"extra{i}", host, inside) for i, (host, inside) in enumerate(volumes.items())]


def told_every_command(limits: Limits, gpus: int) -> dict[str, str]:
    """Return what a command is told of its world."""
    return {
        **offline_environment(gpus),
        "RDAGENT_WORKSPACE": "{mount:workspace}",
        "RDAGENT_OUT": "{mount:out}",
        "RDAGENT_DEADLINE_SECONDS": str(round(limits.deadline_seconds + 120)),
    }


def limits_of(role: Role, resources: Resources) -> Limits:
    """Return what a command of a role may use."""
    return train_limits(resources) if role == "train" else evaluate_limits(resources)


class BenchmarkDockerEnv(DockerEnv):
    """The evaluation container."""

    conf_class = BenchmarkDockerConf
    writable = ("benchmark_results", "logs")


class FTDockerEnv(DockerEnv):
    """The training container."""

    conf_class = FTDockerConf
    writable = ("output", "logs")


def _bring_back(source: Path, target: Path) -> list[str]:
    """Copy regular files that a container wrote; return what stayed behind: links, devices."""
    left: list[str] = []
    if not source.is_dir() or source.is_symlink():
        return left
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_dir() and not path.is_symlink():
            continue
        try:
            atomic.copy_untrusted(path, target / name, _FILE_LIMIT)
        except (ResultError, OSError):
            left.append(str(name))
    return left
