"""The scenario's runner: train, check, evaluate, in place.

A benchmark that fails never loses the adapter that was trained before it.
"""

from __future__ import annotations

from rdagent.adapters.check import inspect_adapter
from rdagent.core.experiment import Experiment, FBWorkspace, Task
from rdagent.core.feedback import CoSTEERSingleFeedback
from rdagent.core.roles import Developer
from rdagent.errors import RDAgentError
from rdagent.evaluation.feedback import feedback_of_error
from rdagent.files.locks import file_lock
from rdagent.jobs.backends.base import Backend
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.benchmark import ADAPTER_FOLDER, FTBenchmarkEvaluator
from rdagent.training import run as training_run


class LLMFinetuneRunner(Developer):
    """Trains what a workspace's ``train.yaml`` describes and evaluates what came of it.

    Safe to call again, and from several threads on different workspaces; two calls
    on one workspace wait for each other.
    """

    def __init__(
        self,
        scen: LLMFinetuneScen,
        evaluator: FTBenchmarkEvaluator | None = None,
        *,
        backend: Backend | None = None,
    ) -> None:
        super().__init__(scen)
        self.scen: LLMFinetuneScen = scen
        self._backend = backend
        self.evaluator = evaluator or FTBenchmarkEvaluator(scen, backend=backend)

    def develop(self, exp: Experiment) -> Experiment:
        """Train and evaluate; scores land in ``exp.result``, feedback in ``exp.prop_dev_feedback``.

        A workspace without ``train.yaml`` but with an adapter is evaluated only.
        """
        workspace = exp.workspace
        workspace.prepare()
        with file_lock(workspace.workspace_path / ".rdagent.lock"):
            feedback = self._train_and_evaluate(exp, workspace)
        exp.prop_dev_feedback = workspace.feedback = feedback
        exp.result = workspace.running_info.result
        return exp

    def _train_and_evaluate(self, exp: Experiment, workspace: FBWorkspace) -> CoSTEERSingleFeedback:
        workspace.running_info.result = None
        try:
            self._train(workspace)
            inspect_adapter(workspace.workspace_path / ADAPTER_FOLDER)
        except RDAgentError as error:
            return feedback_of_error(error)
        task = exp.sub_tasks[0] if exp.sub_tasks else Task(name="fine-tuning")
        return self.evaluator.evaluate(task, workspace, None)

    def _train(self, workspace: FBWorkspace) -> None:
        folder = workspace.workspace_path
        configured = any((folder / name).exists() for name in training_run.CONFIG_NAMES)
        if not configured and (folder / ADAPTER_FOLDER).is_dir():
            return
        result = training_run.run(
            training_run.TrainingRequest(folder, base_model=self.scen.explicit_base_model),
            self._ready_backend(),
        )
        workspace.running_info.running_time = result.result.seconds

    def _ready_backend(self) -> Backend:
        if self._backend is None:
            from rdagent.jobs.backends.choose import choose_backend

            backend = choose_backend()
            backend.ensure("train", training_run.accelerator(), progress=lambda line: None)
            self._backend = backend
        return self._backend
