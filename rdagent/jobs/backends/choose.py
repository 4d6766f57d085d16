"""Which backend jobs run on: what ``FT_ENV`` says."""

from __future__ import annotations

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


def choose_backend() -> Backend:
    """Return the backend; ``auto`` is an engine if one answers, else this machine, and says so."""
    wanted = finetune_settings().env
    if wanted == "docker":
        return DockerBackend()
    if wanted == "local":
        return LocalBackend()
    if engine_answers():
        return DockerBackend()
    log().warning(NO_ENGINE)
    return LocalBackend()
