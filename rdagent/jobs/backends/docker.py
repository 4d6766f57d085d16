"""Jobs in containers of a Docker Engine, with everything shut that a job does not need.

Containers are created and started in two steps, never through ``run``; binds use
``mounts``, which refuses a missing source where ``volumes`` would make one as root.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rdagent.errors import ImageUnavailable, InfrastructureError
from rdagent.files.printable import one_line
from rdagent.jobs.access import JobUser, job_user
from rdagent.jobs.backends import docker_api
from rdagent.jobs.backends.base import (
    APP,
    LABEL,
    TMP,
    FilledIn,
    FoundJob,
    JobState,
    Phase,
    PreparedJob,
    StartFailed,
    fill_in,
)
from rdagent.jobs.backends.docker_api import (
    Refused,
    connect,
    engine_errors,
    is_conflict,
    is_missing,
    refusals,
)
from rdagent.jobs.conf import container_conf
from rdagent.jobs.exposure import READER, SplitEnvironment, split_environment
from rdagent.jobs.images import ensure_image, image_id, image_name
from rdagent.jobs.images.own import ensure_own
from rdagent.jobs.outcome import EngineError
from rdagent.jobs.ready import Progress, Ready
from rdagent.jobs.spec import Accelerator, JobSpec, Mount, Role

_PHASES: dict[str, Phase] = {
    "created": "created",
    "running": "running",
    "paused": "running",
    "restarting": "running",
    "removing": "exited",
    "exited": "exited",
    "dead": "exited",
}
#: What the engine says when it cannot start a container, in the words of several versions.
_START_FAILURES: tuple[tuple[str, EngineError], ...] = (
    ("could not select device driver", "gpu_unavailable"),
    ("nvidia-container-cli", "gpu_unavailable"),
    ("unknown device", "gpu_unavailable"),
    ("executable file not found", "entry_not_found"),
    ("no such file or directory", "entry_not_found"),
    ("permission denied", "entry_not_found"),
    ("no space left on device", "disk_full"),
)


class DockerBackend:
    """Runs jobs on the engine that DOCKER_HOST or the default socket leads to."""

    name = "docker"
    isolates = True

    def __init__(self) -> None:
        #: Secret variables of containers that were made and not started yet.
        self._secrets: dict[str, bytes] = {}

    def user(self) -> JobUser:
        """Return the caller, or our own unprivileged user when that is root."""
        return job_user()

    def image(self, role: Role, accelerator: Accelerator = "cpu") -> str:
        """Name the image of a role."""
        return image_name(role, accelerator)

    def ensure(self, role: Role, accelerator: Accelerator = "cpu", *, progress: Progress) -> Ready:
        """Build a role's image, or the user's own, if it is not there."""
        conf = container_conf(role)
        if conf.image:
            return Ready(conf.image, built=False, seconds=0.0)
        if conf.own_recipe:
            return ensure_own(conf.own_recipe, progress=progress)
        image = ensure_image(role, accelerator=accelerator, progress=progress)
        return Ready(image.name, image.built, image.seconds)

    def check(self, spec: JobSpec) -> None:
        """Raise if no engine answers or the image is not there."""
        connect()
        self._image(spec)

    def _image(self, spec: JobSpec) -> str:
        name = spec.image or image_name(spec.role, spec.accelerator)
        found = image_id(name)
        if found is None:
            raise ImageUnavailable(
                f"the image {name} is not there", hint="Build it with 'rdagent build'."
            )
        return found

    def place(self, mount: Mount) -> str:
        """Return the target: a container sees a mount there."""
        return mount.target

    def own_places(self, spec: JobSpec, mounts: Sequence[Mount]) -> Mapping[str, str]:
        """Return folders that every image of ours and every container has."""
        return {APP: "/app", TMP: "/tmp"}  # noqa: S108

    def create(self, job: PreparedJob) -> str:
        """Create the container; one left over under the same name is removed first."""
        words = fill_in(self, job.spec, job.mounts)
        variables = split_environment(words.environment)
        arguments = self._arguments(job, words, variables)
        for _ in range(2):
            try:
                with refusals():
                    created = connect().create_container(**arguments)
                self._secrets[str(created["Id"])] = variables.lines()
                return str(created["Id"])
            except Refused as refused:
                if not is_conflict(refused):
                    raise InfrastructureError(
                        f"the container engine refused the job: {one_line(str(refused), 400)}"
                    ) from refused
                self.remove(job.name)
        raise InfrastructureError(f"a container named {job.name} is in the way")

    def _arguments(
        self, job: PreparedJob, words: FilledIn, variables: SplitEnvironment
    ) -> dict[str, Any]:
        # What stands in argv or environment here, 'inspect' shows; so secrets go through stdin.
        reader = ("sh", "-c", READER, "sh") if variables.secret else ()
        return {
            "image": self._image(job.spec),
            "name": job.name,
            "command": [*reader, *words.argv],
            "environment": variables.open,
            "stdin_open": bool(variables.secret),
            "working_dir": words.workdir,
            "user": f"{job.user_id}:{job.group_id}",
            "hostname": "job",
            "labels": dict(job.labels),
            "stop_signal": "SIGTERM",
            "host_config": connect().create_host_config(**host_options(job)),
        }

    def start(self, identifier: str) -> None:
        """Start the container."""
        try:
            content = self._secrets.pop(identifier, b"")
            with refusals(), docker_api.stdin_of(identifier, content):
                connect().start(identifier)
        except Refused as refused:
            raise StartFailed(_start_failure(str(refused)), one_line(str(refused), 400)) from None

    def state(self, identifier: str) -> JobState:
        """Inspect the container; one that nobody knows any more is gone."""
        try:
            with refusals():
                state = connect().inspect_container(identifier)["State"]
        except Refused as refused:
            if is_missing(refused):
                return JobState("gone")
            raise InfrastructureError(
                f"the container engine refused: {one_line(str(refused))}", retryable=True
            ) from refused
        phase = _PHASES.get(str(state.get("Status")), "running")
        if phase != "exited":
            return JobState(phase)
        oom = bool(state.get("OOMKilled")) or self._oom_event(identifier)
        return JobState("exited", int(state.get("ExitCode", -1)), oom)

    def _oom_event(self, identifier: str) -> bool:
        """Ask the engine's event log as well: the flag alone misses children on some versions.

        Until now by the engine's clock, whatever ours says: it waits for what is to come.
        """
        with engine_errors():
            client: Any = connect()
            now = _moment(str(client.info().get("SystemTime", "")))
            events = client.events(
                since="0",
                until=f"{now:.6f}",  # to less than a second, which its own types do not know
                filters={"container": identifier, "event": "oom"},
                decode=True,
            )
            return any(True for _ in events)

    def follow(self, identifier: str, since: float) -> Iterator[bytes]:
        """Yield the container's output, both streams in one."""
        with engine_errors():
            options: dict[str, Any] = {"since": since} if since > 0 else {}
            yield from connect().logs(
                identifier, stdout=True, stderr=True, stream=True, follow=True, **options
            )

    def stop(self, identifier: str, grace_seconds: float) -> None:
        """Send TERM, and KILL after the grace."""
        self._quietly("stop", identifier, timeout=max(1, round(grace_seconds)))

    def kill(self, identifier: str) -> None:
        """Send KILL."""
        self._quietly("kill", identifier)

    def remove(self, identifier: str) -> None:
        """Remove the container, and check that it is gone."""
        self._quietly("remove_container", identifier, force=True, v=True)
        for _ in range(50):
            if self.state(identifier).phase == "gone":
                return
            time.sleep(0.1)
        raise InfrastructureError(f"container {identifier[:12]} could not be removed")

    def _quietly(self, verb: str, identifier: str, **arguments: Any) -> None:
        try:
            with refusals():
                getattr(connect(), verb)(identifier, **arguments)
        except Refused as refused:
            if not (is_missing(refused) or is_conflict(refused)):
                raise InfrastructureError(
                    f"the container engine refused to {verb}: {one_line(str(refused))}"
                ) from refused

    def found(self) -> list[FoundJob]:
        """List containers that carry our label."""
        with engine_errors():
            rows = connect().containers(all=True, filters={"label": f"{LABEL}.owner"})
        return [
            FoundJob(row["Id"], (row.get("Names") or ["?"])[0].lstrip("/"), row["Labels"])
            for row in rows
        ]


def _moment(stamp: str) -> float:
    """Return the seconds of the epoch that an engine's time stamp names; the beginning if none."""
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return 0.0


def _start_failure(message: str) -> EngineError:
    lowered = message.lower()
    for words, kind in _START_FAILURES:
        if words in lowered:
            return kind
    return "other"


def host_options(job: PreparedJob) -> dict[str, Any]:
    """Return the options that shut the container; a test holds each of them."""
    limits = job.spec.limits
    return {
        "init": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "read_only": True,
        "privileged": False,
        "network_mode": job.spec.network,
        "mounts": [docker_api.bind(mount) for mount in job.mounts],
        "tmpfs": {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={limits.tmp_bytes}"},  # noqa: S108
        "mem_limit": limits.memory_bytes,
        "memswap_limit": limits.memory_bytes,
        "nano_cpus": round(limits.cpus * 1e9),
        "pids_limit": limits.pids,
        "shm_size": limits.shm_bytes,
        "ipc_mode": "private",
        "oom_score_adj": 500,
        "ulimits": docker_api.ulimits(_resource_limits(job)),
        "log_config": docker_api.bounded_log(),
        "device_requests": docker_api.gpu_requests(job.spec.gpus),
        "auto_remove": False,
    }


def _resource_limits(job: PreparedJob) -> dict[str, int]:
    """Return limits that the engine can set: it may not be allowed to raise its own."""
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = job.spec.limits.open_files
    limits = {"core": 0, "nofile": files if highest < 0 else min(files, highest)}
    if job.spec.gpus:
        # Pinned memory and deep native stacks, which CUDA's libraries expect.
        limits |= {"memlock": -1, "stack": 64 << 20}
    return limits
