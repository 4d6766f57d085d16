"""As whom a job runs, and whether that user can read what it is given."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rdagent.errors import RefusedError
from rdagent.jobs.spec import Mount

#: A root caller's jobs run as this user, so that nothing in a container is root.
NOBODY_OF_OURS = 10001
_LOOKED_AT = 5000


@dataclass(frozen=True, slots=True)
class JobUser:
    """User and group id of a job."""

    user_id: int
    group_id: int


def job_user() -> JobUser:
    """Return the caller's ids, or our own unprivileged ones when the caller is root."""
    if os.geteuid() == 0:
        return JobUser(NOBODY_OF_OURS, NOBODY_OF_OURS)
    return JobUser(os.geteuid(), os.getegid())


def give_to(folder: Path, user: JobUser) -> None:
    """Make a new folder the job's own; a caller who is not root already owns it."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, user.user_id, user.group_id)


def require_readable(mounts: tuple[Mount, ...], user: JobUser) -> None:
    """Refuse inputs that are missing or that the job's user cannot read, and name them."""
    for mount in mounts:
        source = Path(mount.source)
        if not source.exists():
            raise RefusedError(
                f"{source} does not exist", hint=f"it is needed as {mount.name!r} of a job"
            )
        if mount.read_only:
            _require_readable_tree(source, user)


def _require_readable_tree(source: Path, user: JobUser) -> None:
    closed = [path for path in _first_entries(source) if not _readable(path, user)]
    if closed:
        shown = ", ".join(str(path) for path in closed[:3])
        raise RefusedError(
            f"user {user.user_id}, as whom the job runs, cannot read {shown}"
            + (f" and {len(closed) - 3} more" if len(closed) > 3 else ""),
            hint=f"make it readable, for example: chmod -R a+rX {source}",
        )


def _first_entries(source: Path) -> Iterator[Path]:
    yield source
    if not source.is_dir():
        return
    count = 0
    for folder, folders, files in os.walk(source):
        for name in (*folders, *files):
            yield Path(folder) / name
            count += 1
            if count >= _LOOKED_AT:
                return


def _readable(path: Path, user: JobUser) -> bool:
    if user.user_id == 0:
        return True  # a job without an engine may be root, for whom nothing is closed
    try:
        status = path.stat()
    except OSError:
        return True  # a dangling link is not a matter of rights
    wanted = 0b101 if stat.S_ISDIR(status.st_mode) else 0b100
    if status.st_uid == user.user_id:
        return (status.st_mode >> 6) & wanted == wanted
    if status.st_gid == user.group_id:
        return (status.st_mode >> 3) & wanted == wanted
    return status.st_mode & wanted == wanted
