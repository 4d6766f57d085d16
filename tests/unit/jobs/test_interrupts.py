"""Signals are counted while a job runs, and reach the caller when everything is written."""

import signal
import threading

import pytest

from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.jobs.interrupts import signals_as_flags
from rdagent.jobs.spec import JobSpec, Limits
from rdagent.jobs.supervisor import Watch, run_job

LIMITS = Limits(deadline_seconds=30, grace_seconds=5, memory_bytes=1 << 20, cpus=1)
SPEC = JobSpec("train", ("x",), LIMITS)


def raising(*numbers):
    """A poll that sends this process each signal once."""
    left = list(numbers)

    def look(attempt):
        if left:
            signal.raise_signal(left.pop(0))

    return Watch(on_poll=look)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_job_and_returns_its_end(tmp_path, number):
    backend = FakeBackend({("x",): Program(seconds=60)})
    end = run_job(backend, SPEC, tmp_path, "r", raising(number))
    assert (end.outcome.reason, end.outcome.exit_code, end.interrupted) == ("cancelled", 130, True)
    assert backend.found() == []


def test_a_second_signal_does_not_wait_for_the_grace(tmp_path):
    class Deaf(FakeBackend):
        def stop(self, identifier, grace_seconds):
            released.wait(60)

        def kill(self, identifier):
            super().kill(identifier)
            released.set()

    released = threading.Event()
    backend = Deaf({("x",): Program(seconds=60)})
    polls = []

    def look(attempt):
        polls.append(attempt)
        if len(polls) == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    end = run_job(backend, SPEC, tmp_path, "r", Watch(on_poll=look))
    assert (end.outcome.reason, released.is_set()) == ("cancelled", True)
    assert backend.found() == []


def test_handlers_are_as_before_when_the_block_has_ended():
    before = signal.getsignal(signal.SIGTERM)
    with signals_as_flags() as outer, signals_as_flags() as inner:
        assert inner is outer
        signal.raise_signal(signal.SIGTERM)
        assert (inner.asked, inner.hurry) == (True, False)
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(KeyboardInterrupt):
        outer.raise_if_asked()


def test_other_threads_leave_signals_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with signals_as_flags():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
