"""What an evaluation's run was made of: models, images, versions, limits, machine."""

from __future__ import annotations

from typing import Any

from rdagent.errors import ResultError
from rdagent.evaluation.preflight import CheckedVariant, Preflight
from rdagent.files import untrusted
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.machine import job_facts
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import JobEnd
from rdagent.models.resolve import LocalModel


def manifest_of(
    preflight: Preflight, spec: JobSpec, end: JobEnd, backend: Backend
) -> dict[str, Any]:
    """Return the manifest of an evaluation's run."""
    return {
        "kind": "evaluate",
        **job_facts(spec, end, backend),
        "variants": [_variant(checked) for checked in preflight.variants],
        "data": preflight.data.to_json(),
        "engine": preflight.engine,
        **({"endpoint": preflight.endpoint.identity()} if preflight.endpoint else {}),
        "limit": preflight.request.limit,
        "notes": list(preflight.notes),
        "inside": _inside(end, preflight),
    }


def _variant(checked: CheckedVariant) -> dict[str, Any]:
    document: dict[str, Any] = {"name": checked.name, "model": {"name": checked.model.name}}
    if isinstance(checked.model, LocalModel):
        folder = str(checked.model.folder)
        document["model"] |= {"folder": folder, "digest": checked.model_digest}
    if checked.adapter:
        document["adapter"] = {
            "folder": str(checked.adapter.path),
            "digest": checked.adapter_digest,
            "rank": checked.adapter.rank,
            "merged": checked.merge,
        }
    return document


def _inside(end: JobEnd, preflight: Preflight) -> dict[str, Any]:
    """Return what each variant's program said of itself: versions, dtype, lengths."""
    said: dict[str, Any] = {}
    for name in (checked.name for checked in preflight.variants):
        try:
            said[name] = untrusted.read_json(end.out / "variants" / name / "variant.json")
        except ResultError:
            continue
    return said
