"""Which run folders may be removed, and their removal; nothing that is being run is touched.

Used by ``rdagent runs clean``.  A folder that is no run of ours is never removed.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rdagent.errors import ResultError
from rdagent.jobs.cancel import is_being_run
from rdagent.jobs.runs import RunFolder, list_runs


@dataclass(frozen=True, slots=True)
class Choice:
    """Which runs are meant; every condition that is given must hold."""

    #: Only runs that did not end well: failed, refused, cancelled, incomplete, never ended.
    failed: bool = False
    older_than: timedelta | None = None

    @property
    def says_nothing(self) -> bool:
        """Whether no condition is given: then no run is meant, rather than all of them."""
        return not self.failed and self.older_than is None


def removable(root: Path, choice: Choice) -> Iterator[RunFolder]:
    """Yield the runs that are meant and that nobody is running."""
    if choice.says_nothing:
        return
    for run in list_runs(root):
        if _is_meant(run, choice) and not run.path.is_symlink() and not is_being_run(run):
            yield run


def _is_meant(run: RunFolder, choice: Choice) -> bool:
    try:
        status = run.status()
    except ResultError:
        status = None  # damaged: it did not end well
    if choice.failed and status is not None and status.status == "done":
        return False
    if choice.older_than is None:
        return True
    at = _moment(status.ended if status else run.started)
    return at is not None and datetime.now(UTC) - at > choice.older_than


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


def size_of(run: RunFolder) -> int:
    """Return the bytes that a run's files take; links are not followed."""
    total = 0
    for folder, _, names in os.walk(run.path):
        for name in names:
            try:
                found = os.lstat(os.path.join(folder, name))
            except OSError:
                continue
            total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


def remove_run(run: RunFolder) -> None:
    """Remove a run's folder with all that is in it; what its links point to stays."""
    shutil.rmtree(run.path)
