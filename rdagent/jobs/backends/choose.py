"""Which backend jobs run on: what ``FT_ENV`` says."""

from __future__ import annotations

from rdagent.core.settings import finetune_settings
from rdagent.errors import RefusedError
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.backends.docker import DockerBackend


def choose_backend() -> Backend:
    """Return the backend; raises RefusedError for one that does not exist yet."""
    if finetune_settings().env == "local":
        raise RefusedError(
            "FT_ENV=local: running without a container engine is not possible yet",
            hint="Unset FT_ENV, and start an engine with 'make engine'.",
        )
    return DockerBackend()
