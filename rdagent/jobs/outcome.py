"""How a job ended: a pure function of what is known, tested as a table.

Exit code 0 alone never means success: a child may have been killed for memory
while its parent went on, and results may be missing or cut short.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rdagent.errors import (
    AdapterInvalid,
    BuildFailed,
    DiskFull,
    EngineUnavailable,
    ImageUnavailable,
    InfrastructureError,
    JobFailed,
    RDAgentError,
    ResultError,
    UsageError,
)
from rdagent.records.reasons import Reason
from rdagent.records.status import as_reason

Intent = Literal["none", "timeout", "cancelled", "disk_full"]
EngineError = Literal[
    "none", "gpu_unavailable", "image_unavailable", "entry_not_found", "disk_full", "other"
]
Results = Literal["present", "missing", "invalid"]

ENTRY_CODES = (126, 127)
#: The entry scripts keep a deadline of their own, for the case that the orchestrator is dead.
OWN_DEADLINE_CODE = 124
KILLED_CODES = (137, 143, -9, -15)

_ALSO_OF_FULL_DISKS: tuple[Reason, ...] = (
    "command_failed",
    "results_missing",
    "results_invalid",
    "killed_externally",
)

EXIT_CODES: dict[Reason, int] = {
    "ok": 0,
    "refused": 2,
    "gpu_unavailable": 5,
    "image_unavailable": 5,
    "build_failed": 5,
    "entry_not_found": 5,
    "killed_externally": 5,
    "engine_restarted": 5,
    "disk_full": 5,
    "internal_error": 10,
    "timeout": 124,
    "cancelled": 130,
}
OTHER_EXIT_CODE = 6

HINTS: dict[Reason, str] = {
    "ok": "",
    "timeout": "The deadline was reached. Raise it (FT_BENCHMARK_TIMEOUT, FT_DOCKER_TIMEOUT or "
    "--timeout) or lower the work (--limit).",
    "out_of_memory": "The job, or a child of it, was killed for memory. Lower the batch size or "
    "the sequence length, or raise the memory limit.",
    "gpu_unavailable": "A GPU was asked for and the engine has none to give. 'rdagent doctor' "
    "tells what it sees; FT_BENCHMARK_NUM_GPUS=0 runs on the CPU.",
    "image_unavailable": "The image is not there. Build it with 'rdagent build'.",
    "build_failed": "The image could not be built; the last lines of the build say why.",
    "entry_not_found": "The job's program was not found in the image. Rebuild it with "
    "'rdagent build', or check the argv.",
    "killed_externally": "Something outside this program ended the job. Run it again.",
    "engine_restarted": "The container engine restarted or went away while the job ran. "
    "'rdagent doctor' tells whether it answers; then run it again.",
    "results_missing": "The job ended well but did not write what it must. Its log says more: "
    "'rdagent runs logs'.",
    "results_invalid": "The job's results are cut short or malformed. Its log says more: "
    "'rdagent runs logs'.",
    "disk_full": "The disk is full, or the job wrote more than it may. Free some space.",
    "cancelled": "It was stopped. What had ended before is kept; the same command runs the rest.",
    "command_failed": "The program in the job failed. Its log says why: 'rdagent runs logs'.",
    "incomplete": "A part of what was asked for has no result. The parts that have one are kept.",
    "diverged": "The loss became NaN or infinite. Lower the learning rate, or check the data.",
    "refused": "The request is understood and not allowed; the message says what to change.",
    "adapter_invalid": "The adapter cannot be evaluated as it is; the message says what is wrong.",
    "internal_error": "This is a mistake of ours. Please report it with the run's folder.",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when a job has ended."""

    intent: Intent = "none"
    exit_code: int | None = None
    out_of_memory: bool = False
    engine_error: EngineError = "none"
    #: The engine was away for a while; it counts only when the job looks ended from outside.
    engine_restarted: bool = False
    results: Results = "missing"
    #: The disk that the job writes to had no room left.
    disk_full: bool = False
    #: What the program inside said of its own end; None when it said nothing.
    said: Reason | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The one word for how a job ended, what to do about it, and the exit code for it."""

    reason: Reason

    @property
    def ok(self) -> bool:
        """Whether the job did what it was asked."""
        return self.reason == "ok"

    @property
    def hint(self) -> str:
        """What a user can do next."""
        return HINTS[self.reason]

    @property
    def exit_code(self) -> int:
        """The exit code of the command line for this reason."""
        return EXIT_CODES.get(self.reason, OTHER_EXIT_CODE)


def decide(evidence: Evidence) -> Outcome:
    """Name the end of a job; what we did ourselves outranks what it looks like."""
    return Outcome(_reason(evidence))


def _reason(evidence: Evidence) -> Reason:
    reason = _reason_on_any_disk(evidence)
    # Why a program failed, or left no results, when there was no room to write: for want of it.
    return "disk_full" if evidence.disk_full and reason in _ALSO_OF_FULL_DISKS else reason


def _reason_on_any_disk(evidence: Evidence) -> Reason:
    if evidence.intent != "none":
        return evidence.intent
    if evidence.engine_error != "none":
        return "internal_error" if evidence.engine_error == "other" else evidence.engine_error
    if evidence.out_of_memory:
        return "out_of_memory"
    if evidence.engine_restarted and _looks_ended_by_it(evidence):
        return "engine_restarted"
    if evidence.exit_code == 0:
        return _reason_of_finished(evidence)
    return _reason_of_failed(evidence)


def _looks_ended_by_it(evidence: Evidence) -> bool:
    """Tell whether the engine took the job with it; unknown is what a lost engine leaves."""
    if evidence.exit_code is None:
        return True
    return evidence.exit_code in KILLED_CODES and not evidence.said


def _reason_of_finished(evidence: Evidence) -> Reason:
    if evidence.results == "missing":
        return "results_missing"
    if evidence.results == "invalid":
        return "results_invalid"
    return evidence.said or "ok"


def _reason_of_failed(evidence: Evidence) -> Reason:
    if evidence.said is not None and evidence.said != "ok":
        return evidence.said
    if evidence.exit_code == OWN_DEADLINE_CODE:
        return "timeout"
    if evidence.exit_code in ENTRY_CODES:
        return "entry_not_found"
    if evidence.exit_code in KILLED_CODES:
        return "killed_externally"
    return "command_failed"


def reason_of_error(error: RDAgentError) -> Reason:
    """Name the end of a run that an error ended before, or in place of, its job."""
    if isinstance(error, JobFailed):
        return as_reason(error.reason)
    for kind, reason in _REASONS_OF_ERRORS:
        if isinstance(error, kind):
            return reason
    return "internal_error"


_REASONS_OF_ERRORS: tuple[tuple[type[RDAgentError], Reason], ...] = (
    (DiskFull, "disk_full"),
    (ImageUnavailable, "image_unavailable"),
    (BuildFailed, "build_failed"),
    # The closed list has no word for an engine that never answered.
    (EngineUnavailable, "image_unavailable"),
    (InfrastructureError, "engine_restarted"),
    (AdapterInvalid, "adapter_invalid"),
    (ResultError, "results_invalid"),
    (UsageError, "refused"),
)
