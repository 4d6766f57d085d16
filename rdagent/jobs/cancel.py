"""Ask whoever runs a run's job to stop it, from another process.

The marker lies in the folder of the attempts; the supervisor looks for it at every
poll.  Who supervises is told by the lock beside it, which dies with its holder.
"""

from __future__ import annotations

import time
from pathlib import Path

from rdagent.errors import InfrastructureError
from rdagent.files import atomic
from rdagent.files.locks import is_held
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.reaper import reap
from rdagent.jobs.running import CANCEL_FILE, LOCK_FILE
from rdagent.jobs.runs import RunFolder, lock_of
from rdagent.records.status import RunStatus

_POLL_SECONDS = 0.2


def is_supervised(attempts: Path) -> bool:
    """Tell whether a living process runs a job there."""
    return is_held(attempts / LOCK_FILE)


def is_being_run(run: RunFolder) -> bool:
    """Tell whether a living process runs, or is about to run or to read, this run's job."""
    return is_supervised(run.attempts) or is_held(lock_of(run.path.parent, run.identity()))


def ask_to_stop(attempts: Path) -> bool:
    """Ask for the stop of the job that runs there; False, and nothing is left, when none does."""
    if not is_supervised(attempts):
        return False
    atomic.write_text(attempts / CANCEL_FILE, "")
    return True


def cancel_run(run: RunFolder, backend: Backend | None, wait_seconds: float = 120) -> RunStatus:
    """End a run and return how it ended; one that has ended already is left as it is.

    A run that a living process supervises is ended by that process.  One whose process
    is dead loses its job, if the engine still has it (``backend`` None: no engine), and
    is marked as cancelled.  Raises InfrastructureError when it does not end in time.
    """
    status = run.status()
    if status is not None:
        return status
    given_up = time.monotonic() + wait_seconds
    while is_being_run(run):
        if (status := run.status()) is not None:
            return status
        if time.monotonic() > given_up:
            raise InfrastructureError(
                f"{run.run_id} has not ended within {wait_seconds:.0f} seconds",
                hint="It may be saving; wait, or end its process.",
            )
        ask_to_stop(run.attempts)
        time.sleep(_POLL_SECONDS)
    if backend is not None:
        reap(backend)
    return run.status() or run.finish("cancelled")
