"""What of this machine goes into a run's manifest: system, image, GPUs."""

from __future__ import annotations

import platform
from typing import Any

from rdagent import __version__
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.images import image_id, image_name
from rdagent.jobs.profiles import host_memory
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import JobEnd


def job_facts(spec: JobSpec, end: JobEnd, backend: Backend) -> dict[str, Any]:
    """Return what every manifest says of the job and where it ran."""
    image = spec.image or image_name(spec.role)
    return {
        "rdagent": __version__,
        "backend": {"name": backend.name, "isolates": backend.isolates},
        "image": {"name": image, "id": image_id(image) if backend.name == "docker" else None},
        "gpus": list(spec.gpus),
        "job": {"seconds": end.seconds, "tries": end.tries, "exit_code": end.exit_code},
        "host": {
            "system": platform.platform(),
            "python": platform.python_version(),
            "memory_bytes": host_memory(),
        },
    }
