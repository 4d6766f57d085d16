"""Which backend jobs run on: what ``FT_ENV`` says."""

from __future__ import annotations

from typing import Literal

from rdagent.core.settings import finetune_settings
from rdagent.files.logs import log
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.jobs.backends.docker_api import engine_answers
from rdagent.jobs.backends.local import LocalBackend

NO_ENGINE = (
    "no container engine answers: jobs run in virtual environments on this machine, "
    "which does not isolate them (FT_ENV=docker insists on an engine)"
)


def chosen() -> Literal["docker", "local"]:
    """Return what jobs run on; ``auto`` is an engine if one answers, else this machine."""
    wanted = finetune_settings().env
    if wanted != "auto":
        return wanted
    return "docker" if engine_answers() else "local"


def choose_backend() -> Backend:
    """Return the backend; says so when it is this machine for want of an engine."""
    if chosen() == "docker":
        return DockerBackend()
    if finetune_settings().env == "auto":
        log().warning(NO_ENGINE)
    return LocalBackend()
