"""Turn the exception that ended a training into a reason and one line of text.

Classes are known by name, so that nothing heavy is imported to recognise them.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from rdagent.errors import JobFailed, RDAgentError, UsageError
from rdagent.files.printable import one_line
from rdagent.records.reasons import Reason
from rdagent.records.status import InsideStatus, as_reason

MESSAGE_LIMIT = 500
_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|not enough memory", re.IGNORECASE
)
#: safetensors and torch report a full disk in words only.
_DISK = re.compile(r"No space left on device|Disk quota exceeded|os error (?:28|122)\b")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Stopped(BaseException):
    """The container was told to stop; no ``except Exception`` on the way may keep it."""


def describe(error: BaseException) -> InsideStatus:
    """Return the status for an exception that ended a training."""
    return InsideStatus(reason_of(error), message_of(error))


def reason_of(error: BaseException) -> Reason:
    """Return the reason; what is not known is a failed command."""
    for link in _chain(error):
        if reason := _reason_of_one(link):
            return reason
    return "command_failed"


def _reason_of_one(error: BaseException) -> Reason | None:
    if isinstance(error, Stopped | KeyboardInterrupt):
        return "cancelled"
    if isinstance(error, JobFailed):
        return as_reason(error.reason)
    if isinstance(error, UsageError):
        return "refused"
    if _is_memory(error):
        return "out_of_memory"
    full = isinstance(error, OSError) and error.errno in _FULL
    return "disk_full" if full or _DISK.search(str(error)) else None


def _is_memory(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"OutOfMemoryError", "MemoryError"}:
        return True
    return isinstance(error, RuntimeError) and bool(_MEMORY.search(str(error)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def message_of(error: BaseException) -> str:
    """Return one line: our own messages as they are, others with their class."""
    if isinstance(error, RDAgentError):
        text = f"{error.message.rstrip('.')}. {error.hint}" if error.hint else error.message
    else:
        name, said = type(error).__name__, str(error).strip()
        text = said if isinstance(error, Stopped) else f"{name}: {said}" if said else name
    return one_line(text, MESSAGE_LIMIT)


def is_expected(error: BaseException) -> bool:
    """Tell whether the one line says it all: a user's mistake, or a refusal of LLaMA-Factory."""
    if reason_of(error) != "command_failed":
        return True
    return isinstance(error, ValueError) and _raised_in(error).startswith("llamafactory.")


def _raised_in(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return str(frame.tb_frame.f_globals.get("__name__", "")) if frame else ""
