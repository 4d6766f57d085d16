"""Jobs as processes of this machine, for machines without a container engine.

Each job is a family of processes behind a launcher (``local_launcher``) that outlives
its orchestrator; ``local_registry`` is how another orchestrator finds it.  What a
container would shut stays open: see ``docs/adr/0005-jobs-without-an-engine.md``.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

from rdagent.core.settings import cache_root
from rdagent.errors import InfrastructureError
from rdagent.files.printable import printable
from rdagent.jobs.access import JobUser
from rdagent.jobs.backends import local_launcher, local_log
from rdagent.jobs.backends.base import (
    APP,
    TMP,
    FoundJob,
    JobState,
    PreparedJob,
    StartFailed,
    fill_in,
)
from rdagent.jobs.backends.local_registry import (
    JOB_FILE,
    Entry,
    Registry,
    make_private,
    temporary_folder,
)
from rdagent.jobs.environments import Environments, RoleEnvironment, RoleEnvironments
from rdagent.jobs.gpus import gpu_indices
from rdagent.jobs.outcome import EngineError
from rdagent.jobs.ready import Progress, Ready
from rdagent.jobs.spec import SCRATCH, Accelerator, JobSpec, Mount, Role

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KILLED = 128 + SIGKILL
_KILL_SECONDS = 30.0
_PAUSE_SECONDS = 0.02
_FAILURES: tuple[EngineError, ...] = ("entry_not_found", "disk_full")


class LocalBackend:
    """Runs jobs beside this process, as its own user."""

    name = "local"
    isolates = False

    def __init__(self, environments: Environments | None = None) -> None:
        self._environments = environments or RoleEnvironments()
        self._known: dict[str, RoleEnvironment] = {}
        #: What the jobs that were created here are started with; it holds secrets.
        self._words: dict[str, dict[str, Any]] = {}
        self._launchers: dict[str, subprocess.Popen[bytes]] = {}

    def user(self) -> JobUser:
        """Return the caller: only root could become someone else, and could not hide files."""
        return JobUser(os.geteuid(), os.getegid())

    def image(self, role: Role, accelerator: Accelerator = "cpu") -> str:
        """Name the environment of a role."""
        return self._environments.name(role, accelerator)

    def ensure(self, role: Role, accelerator: Accelerator = "cpu", *, progress: Progress) -> Ready:
        """Make a role's environment if it is not there."""
        return self._environments.ensure(role, accelerator, progress=progress)

    def check(self, spec: JobSpec) -> None:
        """Raise if the environment is not there."""
        self._known.pop(self._environment_name(spec), None)
        self._environment(spec)

    def _environment(self, spec: JobSpec) -> RoleEnvironment:
        name = self._environment_name(spec)
        if name not in self._known:
            self._known[name] = self._environments.find(name)
        return self._known[name]

    def _environment_name(self, spec: JobSpec) -> str:
        return spec.image or self._environments.name(spec.role, spec.accelerator)

    def place(self, mount: Mount) -> str:
        """Return the source: there is no second place to see a folder at."""
        return str(Path(mount.source).absolute())

    def own_places(self, spec: JobSpec, mounts: Sequence[Mount]) -> Mapping[str, str]:
        """Return where the entry scripts lie, and the job's own temporary folder."""
        scratch = next(mount.source for mount in mounts if mount.name == SCRATCH)
        return {APP: str(self._environment(spec).app), TMP: str(temporary_folder(scratch))}

    def create(self, job: PreparedJob) -> str:
        """Write the job down; one left over under the same name is ended first."""
        self.remove(job.name)
        words = fill_in(self, job.spec, job.mounts)
        tmp = Path(self.own_places(job.spec, job.mounts)[TMP])
        make_private(tmp)
        self._registry.add(job.name, job.labels, tmp)
        environment = self._environment(job.spec)
        given = words.environment.get("PATH", "")
        self._words[job.name] = {
            "argv": list(words.argv),
            "workdir": words.workdir,
            "environment": {
                **environment.variables,
                **words.environment,
                "PATH": ":".join(filter(None, [given, *environment.programs, SYSTEM_PATH])),
            },
            "memory_bytes": job.spec.limits.memory_bytes,
            "open_files": job.spec.limits.open_files,
            "gpus": list(job.spec.gpus),
        }
        return job.name

    def start(self, identifier: str) -> None:
        """Start the launcher, and through it the job."""
        words = self._words.pop(identifier, None)
        if words is None:
            raise StartFailed("other", f"{identifier} was created by another process")
        self._show_gpus(words)
        try:
            answer = self._launch(identifier, words)
        except OSError as error:
            full: EngineError = "disk_full" if error.errno == errno.ENOSPC else "other"
            raise StartFailed(full, f"the job's launcher cannot be started: {error}") from error
        if "started" in answer:
            return
        failed = (kind for kind in _FAILURES if kind == answer.get("failed"))
        raise StartFailed(next(failed, "other"), printable(str(answer.get("message")))[-400:])

    def _launch(self, identifier: str, words: dict[str, Any]) -> dict[str, Any]:
        """Start the launcher and return its answer, or the last that it said when it gave none."""
        folder = self._entry(identifier).folder
        launcher = Path(local_launcher.__file__)
        with (folder / "launcher.txt").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(launcher), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd="/",
                start_new_session=True,
            )
        self._launchers[identifier] = process
        said = folder / "launcher.txt"
        return _ask(process, words) or {"message": said.read_text("utf-8", "replace")}

    def _show_gpus(self, words: dict[str, Any]) -> None:
        """Let the job see the GPUs it was given, by index, since vLLM counts in indices."""
        wanted = words.pop("gpus")
        if not wanted:
            words["environment"]["CUDA_VISIBLE_DEVICES"] = ""
            return
        indices = gpu_indices(wanted)
        if indices is None:
            raise StartFailed("gpu_unavailable", f"not here: {', '.join(wanted)}")
        shown = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(indices)}
        words["environment"] |= shown

    def state(self, identifier: str) -> JobState:
        """Read how far the job is from what its launcher wrote."""
        self._take_leave(identifier)
        entry = self._entry(identifier)
        launcher = entry.launcher()
        alive = launcher is not None and launcher.is_alive()
        ended = entry.ended()  # asked after the launcher: it writes this last
        if ended is not None:
            return JobState(
                "exited", int(ended["exit_code"]), bool(ended.get("out_of_memory", False))
            )
        if not entry.exists:
            return JobState("gone")
        if alive:
            return JobState("running")
        return JobState("created") if launcher is None else JobState("exited", _KILLED)

    def follow(self, identifier: str, since: float) -> Iterator[bytes]:
        """Yield both streams in one; memory holds one piece at a time."""
        entry = self._entry(identifier)

        def is_over() -> bool:
            return self.state(identifier).phase in ("exited", "gone")

        if entry.exists:
            yield from local_log.follow(entry.folder, since, is_over)

    def stop(self, identifier: str, grace_seconds: float) -> None:
        """Send TERM to the job's process group, and KILL to all of it after the grace."""
        launcher = self._entry(identifier).launcher()
        if launcher is None:
            return
        launcher.send(SIGTERM)
        if not self._ends_within(identifier, grace_seconds):
            self.kill(identifier)

    def kill(self, identifier: str) -> None:
        """End everything that the job started, in sessions of its own or not."""
        entry = self._entry(identifier)
        launcher = entry.launcher()
        if launcher is None:
            return
        launcher.send(local_launcher.END_AT_ONCE)
        if not self._ends_within(identifier, _KILL_SECONDS):
            launcher.send(SIGKILL)  # it does not answer; the job's first process dies with it
        if child := entry.child():
            child.send(SIGKILL, to_group=True)

    def _ends_within(self, identifier: str, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.state(identifier).phase == "running":
            if time.monotonic() > until:
                return False
            time.sleep(_PAUSE_SECONDS)
        return True

    def remove(self, identifier: str) -> None:
        """End what still runs, and forget the job."""
        self.kill(identifier)
        process = self._launchers.pop(identifier, None)
        if process:
            _wait_for(process)
        self._words.pop(identifier, None)
        entry = self._entry(identifier)
        if launcher := entry.launcher():
            self._wait_until_gone(launcher.is_alive)
        entry.forget()
        if entry.exists:
            raise InfrastructureError(f"{entry.folder} could not be removed")

    @staticmethod
    def _wait_until_gone(is_alive: Any) -> None:
        until = time.monotonic() + _KILL_SECONDS
        while is_alive() and time.monotonic() < until:
            time.sleep(_PAUSE_SECONDS)

    def _take_leave(self, identifier: str) -> None:
        """Let a launcher of ours that has ended go, so that its id is free again."""
        process = self._launchers.get(identifier)
        if process:
            process.poll()

    def found(self) -> list[FoundJob]:
        """List what was not removed, of any orchestrator of this user."""
        jobs = []
        for entry in self._registry.entries():
            document = entry.document(JOB_FILE) or {}
            labels = {str(k): str(v) for k, v in dict(document.get("labels") or {}).items()}
            jobs.append(FoundJob(entry.folder.name, entry.folder.name, labels))
        return jobs

    @cached_property
    def _registry(self) -> Registry:
        return Registry(cache_root() / "local" / "jobs")

    def _entry(self, identifier: str) -> Entry:
        return self._registry.entry(identifier)


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    """Take leave of a launcher; one that does not end is killed."""
    try:
        process.wait(_KILL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ask(process: subprocess.Popen[bytes], words: dict[str, Any]) -> dict[str, Any]:
    """Hand the job's words to its launcher and return what it answers."""
    if process.stdin is None or process.stdout is None:
        return {}
    with suppress(BrokenPipeError), process.stdin as sink:
        sink.write(json.dumps(words).encode())
    with process.stdout as source:
        line = source.readline()
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
