"""What a job left in its folder: how much, whether it is what was expected, what it says."""

from __future__ import annotations

import os
from pathlib import Path

from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.jobs.outcome import Results
from rdagent.records.status import STATUS_FILE, InsideStatus

FILES_LIMIT = 200_000


def holds_more_than(folder: Path, limit: int) -> bool:
    """Tell whether a folder that a job writes to holds more bytes, or more files, than it may."""
    total = count = 0
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
                    if total > limit or count > FILES_LIMIT:
                        return True
        except OSError:
            continue  # what is deleted while it is looked at takes no room
    return False


def results_of(out: Path, expected: tuple[str, ...]) -> tuple[Results, InsideStatus | None]:
    """Tell whether a job wrote what it must, and what it said of its own end.

    A job that expects no ``status.json`` has nothing to say.
    """
    said: InsideStatus | None = None
    if out.is_symlink():
        return "missing", said
    try:
        for name in expected:
            path = out / name
            if not path.exists() or path.is_symlink():
                return "missing", said
            if name == STATUS_FILE:
                said = InsideStatus.read(out)
            elif name.endswith(".json"):
                untrusted.read_json(path)
    except ResultError:
        return "invalid", said
    return "present", said
