"""Remove the jobs of an orchestrator that died without cleaning up."""

from __future__ import annotations

from rdagent.jobs.backends.base import LABEL, Backend, FoundJob
from rdagent.jobs.owner import is_dead


def reap(backend: Backend) -> list[FoundJob]:
    """Remove every job whose owner, a process of this host, is dead; return what was removed."""
    orphans = [job for job in backend.found() if is_dead(job.labels.get(f"{LABEL}.owner", ""))]
    for job in orphans:
        backend.remove(job.identifier)
    return orphans
