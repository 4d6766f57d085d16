"""Signals as flags: a job is ended in order, never in the middle of a step.

The first Ctrl-C, TERM or hang-up asks for the end; the second one for a quick end. A command
that has begun to end is not disturbed again: what it still says and its exit code are kept.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """How often this process was asked to end."""

    def __init__(self) -> None:
        self.count = 0

    @property
    def asked(self) -> bool:
        """Whether the end was asked for."""
        return self.count > 0

    @property
    def hurry(self) -> bool:
        """Whether it was asked for again."""
        return self.count > 1

    def raise_if_asked(self) -> None:
        """Raise KeyboardInterrupt, now that everything is written, if the end was asked for."""
        if self.asked:
            raise KeyboardInterrupt


_active: list[Interrupts] = []
_seen: list[int] = []


def raise_once() -> None:
    """Let the first of the signals raise KeyboardInterrupt and the later ones do nothing.

    For a process that is one command. What a block of ``signals_as_flags`` counted is the first.
    """
    _seen.clear()

    def interrupt(number: int, frame: object) -> None:
        _seen.append(number)
        if len(_seen) == 1:
            raise KeyboardInterrupt

    for number in SIGNALS:
        with suppress(ValueError):  # not the main thread: the caller's own business
            signal.signal(number, interrupt)


def ignore_signals() -> None:
    """Let nothing end this process any more but its own end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def signals_as_flags() -> Iterator[Interrupts]:
    """Count signals instead of raising, until the block ends; inside another such block, join it.

    Python gives signals to the main thread only; in other threads nothing is ever counted.
    Whoever opens the outermost block calls ``raise_if_asked`` after it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Interrupts()
        return
    if _active:
        yield _active[-1]
        return
    interrupts = Interrupts()

    def count(number: int, frame: object) -> None:
        interrupts.count += 1
        _seen.append(number)

    former = {number: signal.signal(number, count) for number in SIGNALS}
    _active.append(interrupts)
    try:
        yield interrupts
    finally:
        _active.pop()
        for number, handler in former.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
