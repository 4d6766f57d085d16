"""Exceptions and dead processes become a reason and one line."""

import signal

import pytest

from rdagent.errors import AdapterInvalid, JobFailed, RefusedError, UnknownTaskError
from rdagent.inside.evaluate import failures
from rdagent.records.status import InsideStatus


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnknownTaskError("Task 'xyz' not found"), "refused"),
        (RefusedError("no"), "refused"),
        (AdapterInvalid("bad"), "adapter_invalid"),
        (JobFailed("no GPU", reason="gpu_unavailable", exit_code=5), "gpu_unavailable"),
        (MemoryError(), "out_of_memory"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (OSError(28, "No space left on device"), "disk_full"),
        (ValueError("something else"), "command_failed"),
    ],
)
def test_an_exception_has_a_reason(error: Exception, reason: str) -> None:
    assert failures.reason_of(error) == reason


def test_a_task_not_found_is_said_in_the_words_that_users_know() -> None:
    assert failures.describe(UnknownTaskError("Task 'xyz' not found")) == InsideStatus(
        "refused", "Task 'xyz' not found"
    )


def test_an_exception_from_elsewhere_is_named_with_its_class() -> None:
    assert failures.describe(KeyError("x")).message == "KeyError: 'x'"


def test_a_message_is_one_line() -> None:
    assert "\n" not in failures.describe(ValueError("a\nb")).message


def test_the_cause_is_taken_from_what_a_worker_printed() -> None:
    status = InsideStatus(
        "command_failed", "RuntimeError: Engine core initialization failed. See root cause above."
    )
    printed = "(EngineCore pid=9) ERROR 11-20 [core.py:1] ValueError: head size 7 is not served\n"
    assert failures.with_cause(status, printed).message == "ValueError: head size 7 is not served"


def test_memory_in_a_workers_cause_is_out_of_memory() -> None:
    status = InsideStatus("command_failed", "EngineDeadError: See root cause above")
    printed = "torch.OutOfMemoryError: CUDA out of memory.\n"
    assert failures.with_cause(status, printed).reason == "out_of_memory"


def test_a_told_cause_is_kept() -> None:
    status = InsideStatus("command_failed", "ValueError: told")
    assert failures.with_cause(status, "KeyError: other\n") == status


def test_a_signal_is_named() -> None:
    assert "SIGSEGV" in failures.of_silent_child(-signal.SIGSEGV, "").message
