"""Exceptions become reasons."""

from __future__ import annotations

import errno

import pytest

from rdagent.errors import JobFailed, RefusedError
from rdagent.inside.train.failures import Stopped, describe, is_expected, reason_of


class OutOfMemoryError(RuntimeError):
    """Stands for torch's class of that name."""


CPU_ALLOCATOR = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OutOfMemoryError("CUDA"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError(CPU_ALLOCATOR), "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "disk_full"),
        (JobFailed("x", reason="diverged", exit_code=6), "diverged"),
        (RefusedError("x"), "refused"),
        (Stopped("stopped by SIGTERM"), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (ValueError("Unknown task: sfx."), "command_failed"),
    ],
)
def test_an_exception_has_its_reason(error: BaseException, reason: str) -> None:
    assert reason_of(error) == reason


def test_the_cause_of_an_exception_counts() -> None:
    error = RuntimeError("could not save")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert reason_of(error) == "disk_full"


def test_causes_in_a_circle_come_to_an_end() -> None:
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert reason_of(first) == "command_failed"


def test_a_message_is_one_line_without_escapes() -> None:
    assert describe(ValueError("a\n\x1b[31mb")).message == "ValueError: a b"


def test_our_own_message_is_told_with_its_hint() -> None:
    assert describe(RefusedError("no data", hint="Add some.")).message == "no data. Add some."


def test_a_refusal_of_llama_factory_needs_no_traceback() -> None:
    scope = {"__name__": "llamafactory.hparams.parser"}
    with pytest.raises(ValueError) as raised:
        exec("raise ValueError('Please specify dataset for training.')", scope)  # noqa: S102
    assert is_expected(raised.value)


def test_an_error_from_anywhere_else_has_a_traceback() -> None:
    with pytest.raises(ValueError) as raised:
        int("x")
    assert not is_expected(raised.value)
