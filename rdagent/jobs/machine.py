"""What of this machine goes into a run's manifest: system, image, GPUs."""

from __future__ import annotations

import platform
from dataclasses import replace
from typing import Any

from rdagent import __version__
from rdagent.errors import InfrastructureError
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.images import image_id
from rdagent.jobs.profiles import host_memory
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import JobEnd


def with_image(spec: JobSpec, backend: Backend) -> JobSpec:
    """Return the spec with its image named: what is planned is what runs and what is recorded."""
    return spec if spec.image else replace(spec, image=backend.image(spec.role, spec.accelerator))


def _id(spec: JobSpec) -> str | None:
    """Ask for the image's id; an engine that is away now must not cost a finished run."""
    try:
        return image_id(spec.image or "")
    except InfrastructureError:
        return None


def job_facts(spec: JobSpec, end: JobEnd, backend: Backend) -> dict[str, Any]:
    """Return what every manifest says of the job and where it ran."""
    return {
        "rdagent": __version__,
        "backend": {"name": backend.name, "isolates": backend.isolates},
        "image": {"name": spec.image, "id": _id(spec) if backend.name == "docker" else None},
        "gpus": list(spec.gpus),
        "job": {"seconds": end.seconds, "tries": end.tries, "exit_code": end.exit_code},
        "host": {
            "system": platform.platform(),
            "python": platform.python_version(),
            "memory_bytes": host_memory(),
        },
    }
