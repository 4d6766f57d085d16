"""Locks between processes of one machine; they die with their holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold ``path`` exclusively; waits, after telling ``on_wait`` who holds it.

    Excludes other processes and other threads of this one.  Does not work across
    machines on a network file system without lock support.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, on_wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_if_free(path: Path) -> Iterator[bool]:
    """Hold ``path`` if nobody does, and tell whether that came about; never waits, makes no file.

    A lock file that is not there, or cannot be opened, is not free: who held it is unknown.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Tell whether a living process holds ``path``."""
    with lock_if_free(path) as was_free:
        return not was_free and path.exists()


def _acquire(descriptor: int, on_wait: Callable[[str], None] | None) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if on_wait:
            holder = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
            on_wait(f"process {holder}" if holder else "another process")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
