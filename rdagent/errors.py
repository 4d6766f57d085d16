"""Every error that this package raises on purpose.

    RDAgentError                 10  root; never raised itself
    ├── UsageError                2  the caller asked for something that cannot be
    │   ├── SettingsError         2  a setting is misspelt or has a wrong value
    │   ├── UnknownTaskError      2  no task of that name
    │   └── RefusedError          2  a request that is understood and not allowed
    ├── AdapterInvalid            6  a LoRA folder that cannot be what it says
    ├── ResultError               6  results that are missing, cut short or malformed
    ├── JobFailed                 6  a job ended with a reason other than ok
    ├── InfrastructureError       5  the machine's fault; ``retryable`` says if again may help
    │   ├── EngineUnavailable     5  no container engine answers
    │   ├── ImageUnavailable      5  an image is needed and is not there
    │   ├── DiskFull              5  something could not be written for want of room
    │   └── BuildFailed           5  an image could not be built
    └── InternalError            10  our own mistake

A message says what happened, with the value; ``hint`` says what to do next.
Only :class:`InternalError` is printed with a traceback.
"""

from __future__ import annotations


class RDAgentError(Exception):
    """Root of the tree: a message, a hint on what to do, the exit code of the command line."""

    exit_code = 10
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(RDAgentError):
    """The caller asked for something that cannot be."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is misspelt or has a wrong value."""


class UnknownTaskError(UsageError):
    """No task of that name; the hint carries near names."""


class RefusedError(UsageError):
    """The request is understood and not allowed."""


class AdapterInvalid(RDAgentError):
    """A folder that is given as a LoRA adapter is not one that can be evaluated."""

    exit_code = 6


class ResultError(RDAgentError):
    """Results are missing, cut short or malformed."""

    exit_code = 6


class JobFailed(RDAgentError):
    """A job ended with a reason other than ok; ``reason`` is from ``jobs.outcome``."""

    exit_code = 6

    def __init__(self, message: str, *, reason: str, exit_code: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.exit_code = exit_code


class InfrastructureError(RDAgentError):
    """The machine's fault, not the job's."""

    exit_code = 5

    def __init__(self, message: str, *, hint: str = "", retryable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable


class EngineUnavailable(InfrastructureError):
    """No container engine answers."""


class ImageUnavailable(InfrastructureError):
    """An image is needed and is not there."""


class DiskFull(InfrastructureError):
    """Something could not be written for want of room."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(
            message,
            hint=hint or "Free some space, or set RDAGENT_RUNS to a folder on a larger disk.",
        )


class BuildFailed(InfrastructureError):
    """An image could not be built; the message carries the last lines of the build."""


class InternalError(RDAgentError):
    """Our own mistake."""
