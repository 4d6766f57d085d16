"""What a run was made of: models, images, versions, limits, machine."""

from __future__ import annotations

import platform
from typing import Any

from rdagent import __version__
from rdagent.evaluation.preflight import Preflight
from rdagent.files import untrusted
from rdagent.errors import ResultError
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.images import image_id, plan_image
from rdagent.jobs.profiles import host_memory
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import JobEnd


def manifest_of(
    preflight: Preflight, spec: JobSpec, end: JobEnd, backend: Backend
) -> dict[str, Any]:
    """Return the manifest of an evaluation's run."""
    return {
        "kind": "evaluate",
        "rdagent": __version__,
        "backend": {"name": backend.name, "isolates": backend.isolates},
        "image": image_of(spec, backend),
        "model": {
            "name": preflight.model.name,
            "folder": str(preflight.model.folder),
            "digest": preflight.model_digest,
        },
        "adapters": [
            {"name": c.name, "folder": str(c.adapter.path), "digest": c.digest, "rank": c.adapter.rank}
            for c in preflight.adapters
        ],
        "engine": preflight.engine,
        "gpus": list(preflight.gpus),
        "limit": preflight.request.limit,
        "notes": list(preflight.notes),
        "inside": _inside(end, preflight),
        "job": {"seconds": end.seconds, "tries": end.tries, "exit_code": end.exit_code},
        "host": host_facts(),
    }


def image_of(spec: JobSpec, backend: Backend) -> dict[str, str | None]:
    """Return name and id of the image that a job ran in."""
    name = spec.image or plan_image(spec.role).name
    return {"name": name, "id": image_id(name) if backend.name == "docker" else None}


def host_facts() -> dict[str, Any]:
    """Return what of this machine a reader may want to know."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "memory_bytes": host_memory(),
    }


def _inside(end: JobEnd, preflight: Preflight) -> dict[str, Any]:
    """Return what each variant's program said of itself: versions, dtype, lengths."""
    said = {}
    for checked_name in ["base", *(c.name for c in preflight.adapters)]:
        path = end.out / "variants" / checked_name / "variant.json"
        if path.exists():
            try:
                said[checked_name] = untrusted.read_json(path)
            except ResultError:
                said[checked_name] = None
    return said
