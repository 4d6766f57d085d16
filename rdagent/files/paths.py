"""Keep names inside the folder that they belong to."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from rdagent.errors import RefusedError


def contained(root: Path, name: str) -> Path:
    """Return ``root/name``; a name that leaves ``root``, by dots, root or link, is refused."""
    relative = PurePosixPath(name)
    if not name or relative.is_absolute() or ".." in relative.parts or "\0" in name:
        raise RefusedError(
            f"file name {name!r} leaves its folder", hint="give a relative path without '..'"
        )
    path = root / relative
    if not path.resolve().is_relative_to(root.resolve()):
        raise RefusedError(f"file name {name!r} leads out of its folder through a link")
    return path
