"""One child process: started in a group of its own, its output passed on, stopped as a whole.

Used by ``run``.  An engine may start workers of its own; they are in the child's
group and never outlive it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

STOP_GRACE_SECONDS = 10.0
TAIL_BYTES = 64 * 1024
_MEMORY_EVENTS = (
    Path("/sys/fs/cgroup/memory.events"),
    Path("/sys/fs/cgroup/memory/memory.oom_control"),
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended: its exit code (negative: the signal) and the end of its output."""

    exit_code: int
    tail: str
    memory_kills: int


class Stopper:
    """Hands a request to stop on to the running children's whole groups, and remembers it."""

    def __init__(self) -> None:
        self.requested = False
        self._groups: set[int] = set()

    def install(self) -> None:
        """Catch SIGTERM and SIGINT in this process."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def watch(self, group: int) -> None:
        """Name a group that a request to stop goes to."""
        self._groups.add(group)
        if self.requested:
            self._stop(group)

    def forget(self, group: int) -> None:
        """A group has ended."""
        self._groups.discard(group)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for group in tuple(self._groups):
            self._stop(group)

    @staticmethod
    def _stop(group: int) -> None:
        send(group, signal.SIGTERM)
        timer = threading.Timer(STOP_GRACE_SECONDS, send, (group, signal.SIGKILL))
        timer.daemon = True
        timer.start()


def send(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group; a group that is gone is no error."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def run_child(
    arguments: Sequence[str], stopper: Stopper, variables: Mapping[str, str] | None = None
) -> Ending:
    """Run a program to its end; its output goes to our standard error as it comes."""
    kills_before = memory_kills()
    child = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, **(variables or {})},
    )
    tail = bytearray()
    # A worker that outlives the child would hold the pipe open: so the end of
    # the child is waited for, not the end of its output.
    pump = threading.Thread(target=_pass_on, args=(child.stdout, tail), daemon=True)
    pump.start()
    stopper.watch(child.pid)
    exit_code = child.wait()
    stopper.forget(child.pid)
    send(child.pid, signal.SIGKILL)
    pump.join(timeout=5)
    text = bytes(tail).decode("utf-8", "replace")
    return Ending(exit_code, text, memory_kills() - kills_before)


def _pass_on(source: IO[bytes], tail: bytearray) -> None:
    with source:
        while chunk := os.read(source.fileno(), 16 * 1024):
            sys.stderr.buffer.write(chunk)
            sys.stderr.buffer.flush()
            tail += chunk
            del tail[:-TAIL_BYTES]


def memory_kills() -> int:
    """Return how often the kernel killed something of this container for memory."""
    for path in _MEMORY_EVENTS:
        try:
            found = re.search(r"^oom_kill (\d+)$", path.read_text("ascii"), re.MULTILINE)
        except OSError:
            continue
        if found:
            return int(found[1])
    return 0
