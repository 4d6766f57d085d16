"""The one place where suites are listed; a door calls ``register_all`` before it evaluates."""

from __future__ import annotations

from rdagent.evaluation.suite_tasks import SuiteTask, register

HOMEBENCH = ("homebench_zero_shot", "homebench_few_shot", "homebench_rag")


def register_all() -> None:
    """Make every suite's tasks known by name; nothing is read before one is asked for."""
    register(HOMEBENCH, _homebench)


def _homebench(name: str) -> SuiteTask:
    from rdagent.suites.homebench import suite

    return suite.build(name)
