"""``env.run`` without a container engine: commands run in the workspace itself.

Nothing is shut: a command reads and writes as its caller, straight into the workspace.
Paths of the container (``/app``, ``/workspace``, the targets of ``extra_volumes``) are
understood in the entry and in the variables, so that the same calls work.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rdagent.core.settings import load
from rdagent.files.printable import printable
from rdagent.jobs.backends.base import APP, Backend
from rdagent.jobs.conf import LocalConf
from rdagent.jobs.environment import (
    CommandEnv,
    extra_mounts,
    limits_of,
    split_entry,
    told_every_command,
)
from rdagent.jobs.gpus import visible_gpus
from rdagent.jobs.spec import JobSpec, Mount, accelerator_of
from rdagent.jobs.supervisor import Watch

_SHOWN_AT_ONCE = 64 * 1024


class LocalEnv(CommandEnv):
    """Commands in the virtual environment of a role; does not isolate."""

    conf_class: type[LocalConf] = LocalConf

    def __init__(self, conf: LocalConf | None = None, backend: Backend | None = None) -> None:
        super().__init__(backend)
        self._conf = conf

    @property
    def conf(self) -> LocalConf:
        """The configuration, read from the environment when it was not given."""
        if self._conf is None:
            self._conf = load(self.conf_class)
        return self._conf

    def prepare(self) -> None:
        """Make the environment if it is not there; makes nothing when nothing changed."""
        gpus = visible_gpus() if self.conf.enable_gpu else ()
        self._own_backend().ensure(self.conf.role, accelerator_of(gpus), progress=lambda line: None)

    def _own_backend(self) -> Backend:
        from rdagent.jobs.backends.local import LocalBackend

        return LocalBackend()

    def _watch(self) -> Watch:
        return Watch(on_poll=_Live()) if self.conf.live_output else Watch()

    def _spec(
        self, entry: str | Sequence[str] | None, workspace: Path, env: Mapping[str, str]
    ) -> JobSpec:
        conf = self.conf
        mount = Mount("workspace", str(workspace.absolute()), "/workspace", read_only=False)
        mounts = [mount, *extra_mounts(conf.extra_volumes)]
        gpus = visible_gpus() if conf.enable_gpu else ()
        limits = limits_of(conf.role, conf.resources())
        words = split_entry(entry if entry is not None else conf.default_entry)
        told = {**told_every_command(limits, len(gpus)), **env}
        if conf.bin_path:
            told["PATH"] = conf.bin_path
        return JobSpec(
            role=conf.role,
            argv=tuple(as_reference(word, mounts) for word in words),
            limits=limits,
            mounts=tuple(mounts),
            environment={name: as_reference(value, mounts) for name, value in told.items()},
            gpus=gpus,
            workdir="{mount:workspace}",
        )


def as_reference(text: str, mounts: Sequence[Mount]) -> str:
    """Turn a container's path into a reference to the mount that it lies in; else return it."""
    targets = {"/app": APP, **{mount.target.rstrip("/"): mount.name for mount in mounts}}
    for target in sorted(targets, key=len, reverse=True):
        if text == target or text.startswith(f"{target}/"):
            return f"{{mount:{targets[target]}}}{text[len(target) :]}"
    return text


class _Live:
    """Shows a log on stderr while it grows."""

    def __init__(self) -> None:
        self._shown = 0

    def __call__(self, attempt: Path) -> None:
        path = attempt / "log.txt"
        if not path.exists():
            return
        with path.open("rb") as log:
            log.seek(self._shown)
            text = log.read(_SHOWN_AT_ONCE)
        self._shown += len(text)
        sys.stderr.write(printable(text.decode("utf-8", "replace")))
