"""Who does what: a scenario describes, a developer develops, an evaluator judges."""

from __future__ import annotations

from typing import Any, Protocol

from rdagent.core.experiment import Experiment, FBWorkspace, Task
from rdagent.core.feedback import CoSTEERSingleFeedback


class Scenario(Protocol):
    """The setting of an experiment; making one does no I/O."""

    @property
    def background(self) -> str:
        """Return what someone needs to know to take part."""

    def get_scenario_all_desc(self, task: Task | None = None) -> str:
        """Return the whole description."""


class Developer:
    """Works on experiments of one scenario."""

    def __init__(self, scen: Scenario) -> None:
        self.scen = scen

    def develop(self, exp: Experiment) -> Experiment:
        """Work on the experiment in place and return it."""
        raise NotImplementedError


class CoSTEEREvaluator:
    """Judges a workspace against a task of one scenario."""

    def __init__(self, scen: Scenario) -> None:
        self.scen = scen

    def evaluate(
        self,
        target_task: Task,
        implementation: FBWorkspace,
        gt_implementation: FBWorkspace | None,
        queried_knowledge: object | None = None,
        **kwargs: Any,
    ) -> CoSTEERSingleFeedback:
        """Return feedback on ``implementation``."""
        raise NotImplementedError
