"""Refuse to begin what the disk cannot hold."""

from __future__ import annotations

import shutil
from pathlib import Path

from rdagent.errors import InfrastructureError

GIBIBYTE = 1 << 30


def require_space(folder: Path, wanted: int, purpose: str) -> None:
    """Raise InfrastructureError when the file system of ``folder`` has less than ``wanted``."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < wanted:
        raise InfrastructureError(
            f"{_gib(free)} free at {existing}; to {purpose} takes about {_gib(wanted)}",
            hint="Free some space ('docker image prune' removes unused images), and try again.",
        )


def _gib(size: int) -> str:
    return f"{size / GIBIBYTE:.1f} GiB"
