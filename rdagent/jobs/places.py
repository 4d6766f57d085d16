"""Which places of the host a job may see, and where: nothing that would open the host to it."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from rdagent.errors import RefusedError
from rdagent.jobs.spec import JobSpec, Mount

_SYSTEM = ("/proc", "/sys", "/dev", "/run/docker.sock", "/var/run/docker.sock", "/run/containerd")
#: Where the supervisor puts what is its own.
_OURS = "/job"


def require_contained(spec: JobSpec) -> None:
    """Refuse mounts, generated files and overlays that lead where no job may look or write."""
    for mount in spec.mounts:
        _require_source(mount)
        _require_target(mount.name, mount.target)
    for name, target in spec.overlays.items():
        _require_name(name)
        _require_target(name, target)
    for name in spec.files:
        _require_name(name)


def _require_source(mount: Mount) -> None:
    source = Path(mount.source)
    if not source.is_absolute() or ".." in source.parts:
        raise _refused(mount.name, f"its source {mount.source!r} is not a plain absolute path")
    real = source.resolve()
    for forbidden in (*_SYSTEM, *_engine_socket()):
        place = Path(forbidden).resolve()
        if real == Path("/") or real == place or real.is_relative_to(place):
            raise _refused(mount.name, f"its source {source} leads to {real}")
        if place.is_socket() and place.is_relative_to(real):
            raise _refused(mount.name, f"its source {source} holds the engine's socket")


def _engine_socket() -> list[str]:
    host = os.environ.get("DOCKER_HOST", "")
    return [host.removeprefix("unix://")] if host.startswith("unix:///") else []


def _require_target(name: str, target: str) -> None:
    path = PurePosixPath(target)
    ours = path == PurePosixPath(_OURS) or path.is_relative_to(_OURS)
    if not path.is_absolute() or ".." in path.parts or str(path) == "/" or ours:
        raise _refused(name, f"its target {target!r} is not a place for it")


def _require_name(name: str) -> None:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise _refused(name, "its name leaves its folder")


def _refused(name: str, why: str) -> RefusedError:
    return RefusedError(
        f"the mount {name!r} is refused: {why}",
        hint="Give a folder of your own, by its absolute path.",
    )
