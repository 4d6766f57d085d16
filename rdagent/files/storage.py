"""What a full or closed disk says, as errors that a user can act on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rdagent.errors import DiskFull, InternalError, RefusedError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
#: Below this much free space nothing useful can be written.
FULL_BELOW_BYTES = 64 * 1024


def is_full(error: OSError) -> bool:
    """Tell whether an error means that the disk, or a quota, is full."""
    return error.errno in _FULL


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn what the operating system says of ``place`` into DiskFull or RefusedError."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        where = error.filename or place
        if is_full(error):
            raise DiskFull(f"the disk is full: {where} could not be written") from error
        if error.errno in _CLOSED:
            raise RefusedError(
                f"{where} cannot be written: {error.strerror}",
                hint="Set RDAGENT_RUNS to a folder that you can write to.",
            ) from error
        raise InternalError(f"{where}: {error.strerror or error}") from error


def no_room_left(folder: Path) -> bool:
    """Tell whether the disk under ``folder`` is full now, in bytes or in files."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    if room.f_files and not room.f_favail:
        return True
    return room.f_bavail * room.f_frsize < FULL_BELOW_BYTES


class Reserve:
    """A little room set aside, so that how something ended can be written on a full disk."""

    SIZE = 256 * 1024

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> None:
        """Set the room aside; raises OSError when even that is not there."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self.SIZE)
        except OSError as error:
            if is_full(error):
                self._path.unlink(missing_ok=True)
                raise
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give the room back."""
        self._path.unlink(missing_ok=True)
