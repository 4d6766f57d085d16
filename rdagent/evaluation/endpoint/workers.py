"""Threads that put requests to a server; they die with the process.

The standard pool waits at the end for threads that wait for a server: a request that hangs
would keep a command that was interrupted.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """What a thread is through with: what came of it, or the error that ended it."""

    result: R | None = None
    error: Exception | None = None


class Workers(Generic[T, R]):
    """So many threads, each with one piece of work at a time."""

    def __init__(self, work: Callable[[T], R], count: int) -> None:
        self._work = work
        self._given: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Done[R]] = queue.SimpleQueue()
        self._free = self._count = count
        for number in range(count):
            threading.Thread(target=self._run, name=f"ask-{number}", daemon=True).start()

    @property
    def are_free(self) -> bool:
        """Whether a thread has nothing to do."""
        return self._free > 0

    @property
    def are_busy(self) -> bool:
        """Whether a thread has something to do."""
        return self._free < self._count

    def give(self, piece: T) -> None:
        """Let a free thread work on a piece."""
        self._free -= 1
        self._given.put(piece)

    def take(self, seconds: float) -> list[Done[R]]:
        """Return all that is done by now, or the first that is within so many seconds."""
        found: list[Done[R]] = []
        try:
            found.append(self._done.get(timeout=seconds))
            while True:
                found.append(self._done.get_nowait())
        except queue.Empty:
            self._free += len(found)
            return found

    def close(self) -> None:
        """Let every thread end when it is through; nobody waits for it."""
        for _ in range(self._count):
            self._given.put(None)

    def _run(self) -> None:
        while (piece := self._given.get()) is not None:
            try:
                done = Done(self._work(piece))
            except Exception as error:
                done = Done(error=error)
            self._done.put(done)
