"""The closed list of reasons for which a job or a run ends."""

from __future__ import annotations

from typing import Literal, get_args

Reason = Literal[
    "ok",
    "timeout",
    "out_of_memory",
    "gpu_unavailable",
    "image_unavailable",
    "build_failed",
    "entry_not_found",
    "killed_externally",
    "engine_restarted",
    "results_missing",
    "results_invalid",
    "disk_full",
    "cancelled",
    "command_failed",
    "incomplete",
    "diverged",
    "refused",
    "adapter_invalid",
    "internal_error",
]
RunState = Literal["done", "stopped", "incomplete", "refused", "failed", "cancelled"]

REASONS: tuple[Reason, ...] = get_args(Reason)
RUN_STATES: tuple[RunState, ...] = get_args(RunState)
