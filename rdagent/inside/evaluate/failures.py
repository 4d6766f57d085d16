"""Turn an exception, or the silence of a dead process, into a reason and one line of text.

Classes are known by name, so that nothing heavy is imported to recognise them.
"""

from __future__ import annotations

import re
import signal
from dataclasses import replace

from rdagent.errors import (
    AdapterInvalid,
    JobFailed,
    RDAgentError,
    RefusedError,
    ResultError,
    UnknownTaskError,
)
from rdagent.files.printable import one_line, printable
from rdagent.records.reasons import Reason
from rdagent.records.status import InsideStatus, as_reason

MESSAGE_LIMIT = 500
_MEMORY_TEXT = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory"
    r"|Failed core proc.*memory|is less than desired (?:GPU|CPU) memory",
    re.IGNORECASE,
)
_ERROR_LINE = re.compile(r"^[\w.]*(?:Error|Exception|Interrupt|Exit)\b.*", re.MULTILINE)
_LOG_PREFIX = re.compile(r"^.*?\[[\w.]+\.py:\d+\] ", re.MULTILINE)
#: What vLLM says in the parent when the cause was printed by its own child.
_NO_CAUSE = re.compile(r"See root cause above|Engine core initialization failed|EngineDeadError")


def describe(error: BaseException) -> InsideStatus:
    """Return the status for an exception that ended a variant."""
    return InsideStatus(reason_of(error), _message_of(error))


def reason_of(error: BaseException) -> Reason:
    """Return the reason for an exception; what is not known is a failed command."""
    if isinstance(error, JobFailed):
        return as_reason(error.reason)
    if isinstance(error, UnknownTaskError | RefusedError):
        return "refused"
    if isinstance(error, AdapterInvalid):
        return "adapter_invalid"
    if isinstance(error, ResultError):
        return "incomplete"
    return "out_of_memory" if is_memory(error) else _by_system(error)


def is_memory(error: BaseException) -> bool:
    """Tell whether an exception says that memory, of the host or of a GPU, ran out."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"OutOfMemoryError", "MemoryError"}:
        return True
    return isinstance(error, RuntimeError | ValueError) and bool(_MEMORY_TEXT.search(str(error)))


def _by_system(error: BaseException) -> Reason:
    if isinstance(error, OSError) and error.errno in (28, 122):
        return "disk_full"
    return "command_failed"


def _message_of(error: BaseException) -> str:
    if isinstance(error, RDAgentError):
        text = f"{error.message}; {error.hint}" if error.hint else error.message
    else:
        text = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    return one_line(text, MESSAGE_LIMIT)


def with_cause(status: InsideStatus, printed: str) -> InsideStatus:
    """Return a status that says the cause, where it only says that a worker failed.

    With several GPUs vLLM works in processes of its own: the cause is in what
    they printed and not in the exception.
    """
    if status.reason != "command_failed" or not _NO_CAUSE.search(status.message):
        return status
    line = last_error_line(printed)
    reason: Reason = "out_of_memory" if _MEMORY_TEXT.search(line) else status.reason
    return replace(status, reason=reason, message=line or status.message)


def of_silent_child(exit_code: int, tail: str) -> InsideStatus:
    """Return the status for a process that ended without saying how."""
    line = last_error_line(tail)
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        reason: Reason = "killed_externally" if name in ("SIGKILL", "SIGTERM") else "command_failed"
        return InsideStatus(reason, one_line(f"the process was ended by {name}. {line}".strip()))
    if _MEMORY_TEXT.search(line):
        return InsideStatus("out_of_memory", line)
    text = f"the process ended with exit code {exit_code} and no status. {line}"
    return InsideStatus("command_failed", one_line(text.strip(), MESSAGE_LIMIT))


def last_error_line(text: str) -> str:
    """Return the last line that names an error and its cause, without a logger's prefix."""
    lines = _ERROR_LINE.findall(_LOG_PREFIX.sub("", printable(text)))
    telling = [line for line in lines if not _NO_CAUSE.search(line)]
    return one_line(telling[-1], MESSAGE_LIMIT) if telling else ""
