"""What an evaluation's run was made of: models, images, versions, limits, machine."""

from __future__ import annotations

from typing import Any

from rdagent.errors import ResultError
from rdagent.evaluation.preflight import Preflight
from rdagent.files import untrusted
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.machine import job_facts
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import JobEnd
from rdagent.records.requests import BASE_VARIANT


def manifest_of(
    preflight: Preflight, spec: JobSpec, end: JobEnd, backend: Backend
) -> dict[str, Any]:
    """Return the manifest of an evaluation's run."""
    return {
        "kind": "evaluate",
        **job_facts(spec, end, backend),
        "model": {
            "name": preflight.model.name,
            "folder": str(preflight.model.folder),
            "digest": preflight.model_digest,
        },
        "adapters": [
            {
                "name": checked.name,
                "folder": str(checked.adapter.path),
                "digest": checked.digest,
                "rank": checked.adapter.rank,
            }
            for checked in preflight.adapters
        ],
        "engine": preflight.engine,
        "limit": preflight.request.limit,
        "notes": list(preflight.notes),
        "inside": _inside(end, preflight),
    }


def _inside(end: JobEnd, preflight: Preflight) -> dict[str, Any]:
    """Return what each variant's program said of itself: versions, dtype, lengths."""
    said: dict[str, Any] = {}
    for name in (BASE_VARIANT, *(checked.name for checked in preflight.adapters)):
        try:
            said[name] = untrusted.read_json(end.out / "variants" / name / "variant.json")
        except ResultError:
            continue
    return said
