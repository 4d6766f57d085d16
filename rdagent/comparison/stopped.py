"""Runs that stopped as soon as they were decided: their own test holds, and no other does.

A test for a fixed number of items is wrong where the number depends on what was seen.  The
e-process that decided when to stop says how sure the decision is; an interval is not given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rdagent.comparison.report import TaskComparison
from rdagent.comparison.sides import Side
from rdagent.comparison.verdicts import STOPPED
from rdagent.errors import ResultError
from rdagent.records.stopping import STOPPING_KEY, StoppedTask, Stopping, Verdict


def stopping_of(side: Side) -> Stopping | None:
    """Return what the results say of an early stop; None where they say nothing sound."""
    config: Any = side.document.get("config")
    told = config.get(STOPPING_KEY) if isinstance(config, Mapping) else None
    if told is None:
        return None
    try:
        return Stopping.from_json(told)
    except ResultError:
        return None


def with_own_test(row: TaskComparison, candidate: Side) -> TaskComparison:
    """Return a row with the test that its run was stopped by; any other row as it is."""
    stopping = stopping_of(candidate)
    task = stopping.tasks.get(row.task) if stopping else None
    if task is None or not task.stopped or row.p is None:
        return row
    verdict = _verdict(task, candidate)
    if verdict is None:
        return replace(
            row, p=None, ci_low=None, ci_high=None, test=None, reason="it was stopped for others"
        )
    return replace(row, p=verdict.p, ci_low=None, ci_high=None, test=STOPPED, mde=None)


def _verdict(task: StoppedTask, candidate: Side) -> Verdict | None:
    """Return the verdict on this candidate: by the name that it has in its run."""
    name = candidate.info.source.rpartition(":")[2]
    if name in task.adapters:
        return task.adapters[name]
    return next(iter(task.adapters.values())) if len(task.adapters) == 1 else None
