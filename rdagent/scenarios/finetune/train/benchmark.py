"""The evaluator of the fine-tuning scenario, and the seed's door to its container.

``FTBenchmarkEvaluator.evaluate`` composes ``evaluation.run()``; ``get_benchmark_env``
gives a container and its variables to those who run the entry script themselves.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rdagent.core.experiment import FBWorkspace, Task
from rdagent.core.feedback import CoSTEERSingleFeedback
from rdagent.core.roles import CoSTEEREvaluator
from rdagent.core.settings import finetune_settings, load
from rdagent.errors import RDAgentError, RefusedError
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.benchmark_needs import check_data
from rdagent.evaluation.benchmarks import data_folder
from rdagent.evaluation.feedback import feedback_of, feedback_of_error
from rdagent.evaluation.preflight import wanted_limit
from rdagent.evaluation.publish import publish_results
from rdagent.evaluation.record import Evaluation
from rdagent.evaluation.request import ADAPTER_VARIANT, NamedVariant, request_from_settings
from rdagent.evaluation.tasks import resolve_tasks
from rdagent.files import atomic
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.backends.choose import chosen
from rdagent.jobs.conf import BenchmarkDockerConf, LocalConf, with_timeout
from rdagent.jobs.environment import BenchmarkDockerEnv
from rdagent.jobs.local_environment import LocalEnv
from rdagent.jobs.spec import Accelerator
from rdagent.models.resolve import resolve_model
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.against_base import compare_with_base, with_verdict
from rdagent.suites.listed import register_all

ADAPTER_FOLDER = "output"
RESULTS_FOLDER = "benchmark_results"
RUN_POINTER = "run.json"


class FTBenchmarkEvaluator(CoSTEEREvaluator):
    """Measures the adapter in a workspace's ``output/``; making one does no I/O."""

    def __init__(
        self,
        scen: LLMFinetuneScen,
        tasks: Sequence[str] | None = None,
        limit: float | None = None,
        *,
        backend: Backend | None = None,
        include: Sequence[str | Path] = (),
    ) -> None:
        super().__init__(scen)
        self.scen: LLMFinetuneScen = scen
        self._tasks = tuple(tasks) if tasks else None
        self._limit = limit
        self._backend = backend
        self._include = tuple(Path(folder) for folder in include)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks to evaluate: those given, else those of the settings or their preset."""
        return self._tasks or request_from_settings(finetune_settings(), ()).tasks

    @property
    def limit(self) -> float | None:
        """Items per task: what was given (1.0: all of them), else what the settings say."""
        if self._limit is not None:
            return self._limit
        return request_from_settings(finetune_settings(), ()).limit

    def evaluate(
        self,
        target_task: Task,
        implementation: FBWorkspace,
        gt_implementation: FBWorkspace | None = None,
        queried_knowledge: object | None = None,
        **kwargs: Any,
    ) -> CoSTEERSingleFeedback:
        """Return feedback on the workspace's adapter; an expected failure is no exception.

        Scores also land in ``implementation.running_info.result``, results and samples
        in the workspace's ``benchmark_results/``.
        """
        workspace = implementation.workspace_path
        implementation.running_info.result = None
        try:
            _withdraw(workspace)
            evaluation = self._run(workspace)
            _publish(evaluation, workspace)
        except RDAgentError as error:
            feedback = feedback_of_error(error)
        else:
            feedback = _feedback(evaluation)
            if feedback.scores:
                scores = {task: score.value for task, score in feedback.scores.items()}
                implementation.running_info.result = scores
        implementation.feedback = feedback
        return feedback

    def _run(self, workspace: Path) -> Evaluation:
        register_all()
        folder = workspace / ADAPTER_FOLDER
        adapter = NamedVariant(ADAPTER_VARIANT, folder)
        settings = finetune_settings()
        given: dict[str, Any] = {
            "include": (*self._include, *map(Path, settings.benchmark_include)),
            "base_model": self.scen.base_model_for(folder),
            **({"tasks": self._tasks} if self._tasks else {}),
            **({"limit": self._limit} if self._limit is not None else {}),
        }
        request = request_from_settings(settings, (adapter,), given=given)
        # What cannot be is refused before an image is built.
        _, spec = evaluation_run.plan(request)
        return evaluation_run.run(request, self._ready_backend(spec.accelerator))

    def _ready_backend(self, accelerator: Accelerator) -> Backend:
        if self._backend is None:
            from rdagent.jobs.backends.choose import choose_backend

            backend = choose_backend()
            backend.ensure("lm-eval", accelerator, progress=lambda line: None)
            self._backend = backend
        return self._backend


def _feedback(evaluation: Evaluation) -> CoSTEERSingleFeedback:
    """Return what the evaluation says, and how the adapter stands beside its base."""
    settings = finetune_settings()
    feedback = feedback_of(
        evaluation,
        ADAPTER_VARIANT,
        samples=settings.feedback_samples,
        seed=settings.benchmark_seed,
    )
    variant = evaluation.variant(ADAPTER_VARIANT)
    if variant is None or not feedback.scores:
        return feedback
    report = compare_with_base(variant, settings.benchmark_seed)
    return with_verdict(feedback, report, required=settings.require_no_regression)


def _withdraw(workspace: Path) -> None:
    """Take back an earlier evaluation's copies: they are another adapter's; its run keeps them."""
    folder = workspace / RESULTS_FOLDER
    if folder.is_symlink():
        raise RefusedError(f"{folder} is a link", hint="Remove it; results are written there.")
    for path in (workspace / RUN_POINTER, folder / "results.json", *folder.glob("samples_*.jsonl")):
        path.unlink(missing_ok=True)


def _publish(evaluation: Evaluation, workspace: Path) -> None:
    """Copy the adapter's results, never the base's, into the workspace."""
    variant = evaluation.variant(ADAPTER_VARIANT)
    if variant:
        publish_results(variant.folder, workspace / RESULTS_FOLDER)
    pointer = {
        "schema": "rdagent.run-pointer/1",
        "run": evaluation.run_id,
        "folder": str(evaluation.folder),
        "reason": evaluation.status.reason,
    }
    atomic.write_json(workspace / RUN_POINTER, pointer)


def get_benchmark_env(
    tasks: Sequence[str],
    adapter_path: str | Path,
    base_model: str,
    limit: float | None = None,
) -> tuple[BenchmarkDockerEnv | LocalEnv, dict[str, str]]:
    """Return where an evaluation runs and the variables that its entry script reads.

    In a container the base model, the adapter and the tasks' data are mounted read-only, and
    paths in the variables are the container's; without an engine they are the host's.
    ``env.run(local_path=workspace, env=env_vars)`` then leaves
    ``benchmark_results/results.json`` in the workspace.
    """
    local = chosen() == "local"
    settings = finetune_settings()
    include = [Path(folder).absolute() for folder in settings.benchmark_include]
    resolved = resolve_tasks(tuple(tasks), tuple(include))
    data = check_data(resolved, data_folder(), settings.benchmark_num_fewshot)
    model = resolve_model(base_model, settings.file_path / "models")
    inside = "/models/base/" + model.folder.relative_to(model.mounted).as_posix()
    conf = with_timeout(load(BenchmarkDockerConf), settings.benchmark_timeout)
    volumes = {
        **conf.extra_volumes,
        str(model.mounted): "/models/base",
        str(Path(adapter_path).absolute()): "/adapter",
        **({str(data.folder.absolute()): "/benchmarks"} if data.digests else {}),
        **{str(folder): f"/include/{index}" for index, folder in enumerate(include)},
    }
    variables = {
        "BENCHMARK_TASKS": ",".join(resolved.names),
        "BASE_MODEL": inside.removesuffix("/."),
        "ADAPTER_PATH": "/adapter",
        "BATCH_SIZE": settings.benchmark_batch_size,
        "NUM_GPUS": str(settings.benchmark_num_gpus or 0),
        "HF_DATASETS_CACHE": "/workspace/benchmarks",
    }
    if data.digests:
        variables["RDAGENT_BENCHMARKS"] = "/benchmarks"
    if include:
        seen = map(str, include) if local else (f"/include/{i}" for i in range(len(include)))
        variables["INCLUDE_PATH"] = os.pathsep.join(seen)
    if local:
        variables |= {
            "BASE_MODEL": str(model.folder),
            "ADAPTER_PATH": str(Path(adapter_path).absolute()),
            "HF_DATASETS_CACHE": str(data_folder().absolute()),
            **({"RDAGENT_BENCHMARKS": str(data.folder.absolute())} if data.digests else {}),
        }
    if settings.benchmark_engine != "auto":
        variables["ENGINE"] = settings.benchmark_engine
    if settings.benchmark_max_model_len is not None:
        variables["MAX_MODEL_LEN"] = str(settings.benchmark_max_model_len)
    if (asked := wanted_limit(limit)) is not None:
        variables["LIMIT"] = str(asked)
    conf = conf.model_copy(update={"extra_volumes": volumes})
    return LocalEnv(_without_container(conf)) if local else BenchmarkDockerEnv(conf), variables


def _without_container(conf: BenchmarkDockerConf) -> LocalConf:
    """Return the same limits and entry for an evaluation that runs on this machine."""
    changes = {
        "default_entry": conf.default_entry,
        "running_timeout_period": conf.running_timeout_period,
        "mem_limit": conf.mem_limit,
        "enable_gpu": conf.enable_gpu,
        "extra_volumes": {**conf.extra_volumes, **load(LocalConf).extra_volumes},
    }
    return load(LocalConf).model_copy(update=changes)
