"""The seed's ``env.run(entry=, local_path=, env=)``: any command in a shut container.

The workspace is seen at ``/workspace``, read-only but for the folders in
``writable``: those begin empty, and what is in them at the end comes back into the
workspace as the caller's own.
"""

from __future__ import annotations

import shlex
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
from rdagent.jobs.interrupts import signals_as_flags
from rdagent.jobs.logfile import tail
from rdagent.jobs.profiles import evaluate_limits, offline_environment, train_limits
from rdagent.jobs.runs import open_run
from rdagent.jobs.spec import JobSpec, Limits, Mount
from rdagent.jobs.supervisor import run_job
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


class DockerEnv:
    """One kind of container; making the object does no I/O."""

    conf_class: type[DockerConf] = DockerConf
    writable: tuple[str, ...] = ("logs",)

    def __init__(self, conf: DockerConf | None = None, backend: Backend | None = None) -> None:
        self._conf = conf
        self._backend = backend

    @property
    def conf(self) -> DockerConf:
        """The configuration, read from the environment when it was not given."""
        if self._conf is None:
            self._conf = load(self.conf_class)
        return self._conf

    def prepare(self) -> None:
        """Build the image if it is not there; builds nothing when nothing changed."""
        if self.conf.image is None:
            ensure_image(self.conf.role, progress=lambda line: None)

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
        """Run a command over a workspace and bring back what it wrote."""
        workspace = Path(local_path).absolute()
        spec = self._spec(entry, workspace, env or {})
        if self._backend is None:
            self.prepare()
        for name in self.writable:
            (workspace / name).mkdir(parents=True, exist_ok=True)
        request = {"kind": "command", "job": spec.to_json(), "workspace": str(workspace)}
        run = open_run(runs_root(), request, fresh=True)
        with signals_as_flags() as interrupts, run.ends_with_its_errors():
            end = run_job(self._running_backend(), spec, run.attempts, run.run_id)
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
            from rdagent.jobs.backends.choose import choose_backend

            self._backend = choose_backend()
        return self._backend

    def _spec(
        self, entry: str | Sequence[str] | None, workspace: Path, env: Mapping[str, str]
    ) -> JobSpec:
        root = self.conf.mount_path.rstrip("/")
        mounts = [Mount("workspace", str(workspace.absolute()), root)]
        extra = self.conf.extra_volumes.items()
        mounts += [Mount(f"extra{i}", host, inside) for i, (host, inside) in enumerate(extra)]
        gpus = visible_gpus() if self.conf.enable_gpu else ()
        limits = self._limits()
        environment = {
            **offline_environment(len(gpus)),
            "RDAGENT_OUT": "{mount:out}",
            "RDAGENT_DEADLINE_SECONDS": str(round(limits.deadline_seconds + 120)),
        }
        return JobSpec(
            role=self.conf.role,
            argv=split_entry(entry if entry is not None else self.conf.default_entry),
            limits=limits,
            mounts=tuple(mounts),
            environment={**environment, **env},
            gpus=gpus,
            network="bridge" if self.conf.network == "bridge" else "none",
            workdir=root,
            image=self.conf.image,
            overlays={name: f"{root}/{name}" for name in self.writable},
        )

    def _limits(self) -> Limits:
        limits = train_limits if self.conf.role == "train" else evaluate_limits
        return limits(self.conf.resources())


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
