"""Remove the jobs that nobody watches any more."""

from __future__ import annotations

from pathlib import Path

from rdagent.files.locks import lock_if_free
from rdagent.files.logs import log
from rdagent.jobs.backends.base import LABEL, Backend, FoundJob
from rdagent.jobs.owner import is_dead, is_of_this_system
from rdagent.jobs.running import LOCK_FILE, forget_running


def reap(backend: Backend) -> list[FoundJob]:
    """Remove every job of this host that no living process watches; return what was removed.

    Who watches a job holds the lock of its attempts for as long, so a job that was
    taken over from a dead process is spared.
    """
    return [job for job in backend.found() if _reap_one(backend, job)]


def _reap_one(backend: Backend, job: FoundJob) -> bool:
    owner = job.labels.get(f"{LABEL}.owner", "")
    folder = Path(job.labels.get(f"{LABEL}.folder", "") or "/nonexistent")
    lock = folder.parent / LOCK_FILE
    if not lock.is_file():
        return is_dead(owner) and _remove(backend, job)
    with lock_if_free(lock) as unwatched:
        if not unwatched or not (is_dead(owner) or is_of_this_system(owner)):
            return False
        removed = _remove(backend, job)
        forget_running(folder)
        return removed


def _remove(backend: Backend, job: FoundJob) -> bool:
    log().info("removing {}, which nobody watches any more", job.name)
    backend.remove(job.identifier)
    return True
