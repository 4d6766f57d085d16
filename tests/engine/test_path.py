"""The path: train in one container, evaluate in another, hand back feedback. All of it real."""

import json
from dataclasses import replace

import pytest

from rdagent.adapters.check import inspect_adapter
from rdagent.core.experiment import Experiment, FBWorkspace, Task
from rdagent.demo import mini_home, paths
from rdagent.errors import JobFailed
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator, get_benchmark_env
from rdagent.scenarios.finetune.train.runner import LLMFinetuneRunner
from rdagent.training.run import TrainingRequest, run
from tests.engine.conftest import STEPS, jobs_under, make_workspace

pytestmark = [pytest.mark.engine, pytest.mark.images]

LIMIT = 16


@pytest.fixture(autouse=True)
def _nothing_is_left(place):
    yield
    assert jobs_under(place) == []


@pytest.fixture(scope="module")
def request_for(trained):
    def make(**changes):
        base = EvaluationRequest(
            tasks=(mini_home.TASK,),
            base_model=str(paths.MODEL),
            variants=(NamedVariant("adapter", trained.adapter),),
            with_base=True,
            include=(paths.TASK_FOLDER,),
            engine="hf",
            limit=LIMIT,
            timeout_seconds=600,
        )
        return replace(base, **changes)

    return make


@pytest.fixture(scope="module")
def on_hf(request_for):
    return evaluation_run.run(request_for(), DockerBackend())


@pytest.fixture(scope="module")
def on_vllm(request_for):
    return evaluation_run.run(request_for(engine="vllm", batch_size="4"), DockerBackend())


def samples(evaluation, variant):
    path = evaluation.variant(variant).folder / f"samples_{mini_home.TASK}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["doc_id"]: row["resps"][0][0] for row in rows}


def test_a_real_training_leaves_an_adapter_its_losses_and_its_overrides(trained):
    adapter = inspect_adapter(trained.adapter)
    assert adapter.rank == 16
    assert adapter.base_model == str(paths.MODEL)
    assert trained.result.steps == STEPS
    assert trained.result.final_loss < trained.result.first_loss
    changed = {override.key for override in trained.result.overrides}
    assert {"model_name_or_path", "output_dir", "report_to", "logging_nan_inf_filter"} <= changed


def test_pickles_that_a_training_wrote_stay_out_of_the_workspace(trained):
    assert "training_args.bin" in trained.skipped
    assert list(trained.adapter.glob("*.bin")) == []


@pytest.mark.parametrize("engine", ["on_hf", "on_vllm"])
def test_base_and_tuned_are_scored_on_both_engines(engine, request):
    evaluation = request.getfixturevalue(engine)
    assert evaluation.status.reason == "ok", evaluation.log_tail
    for name in ("base", "adapter"):
        score = evaluation.variant(name).scores[mini_home.TASK]
        assert (score.metric, score.filter, score.n) == ("exact_match", "braces", LIMIT)
        assert score.stderr is not None


def test_both_engines_say_the_same(on_hf, on_vllm):
    for name in ("base", "adapter"):
        assert samples(on_hf, name) == samples(on_vllm, name)


def test_the_adapter_has_an_effect(on_hf):
    assert samples(on_hf, "base") != samples(on_hf, "adapter")


def test_the_manifest_says_what_the_run_was_made_of(on_vllm):
    manifest = json.loads((on_vllm.folder / "manifest.json").read_text())
    assert manifest["image"]["id"].startswith("sha256:")
    assert manifest["engine"] == "vllm"
    inside = manifest["inside"]["adapter"]
    assert inside["versions"]["lm_eval"] == "0.4.13"
    assert inside["versions"]["vllm"].startswith("0.32.0")


def test_the_same_request_is_answered_without_a_container(on_hf, request_for, monkeypatch):
    monkeypatch.setattr(DockerBackend, "create", lambda *a: pytest.fail("a container was made"))
    again = evaluation_run.run(request_for(), DockerBackend())
    assert again.reused
    assert again.variant("adapter").scores == on_hf.variant("adapter").scores


def test_bf16_is_taken_back_where_the_device_has_none(images, place):
    workspace = make_workspace(place / "bf16", bf16=True, max_steps=2)
    trained = run(TrainingRequest(workspace, base_model=str(paths.MODEL)), DockerBackend())
    changed = {o.key: (o.old, o.new) for o in trained.result.overrides}
    assert changed["bf16"] == (True, False)


def test_a_training_whose_loss_is_no_number_stops_and_says_so(images, place):
    workspace = make_workspace(
        place / "diverges", learning_rate=1e30, warmup_ratio=0.0, max_steps=120, logging_steps=1
    )
    with pytest.raises(JobFailed) as caught:
        run(TrainingRequest(workspace, base_model=str(paths.MODEL)), DockerBackend())
    assert (caught.value.reason, caught.value.exit_code) == ("diverged", 6)
    assert not (workspace / "output").exists()


def test_a_task_with_a_broken_file_inside_is_a_failed_job_with_its_error(request_for, tmp_path):
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "broken.yaml").write_text(
        "task: broken_task\ndataset_path: json\ndataset_kwargs:\n"
        "  data_files: {test: /nowhere.jsonl}\ntest_split: test\noutput_type: generate_until\n"
        "doc_to_text: '{{a}}'\ndoc_to_target: '{{b}}'\n"
    )
    folder.chmod(0o755)
    evaluation = evaluation_run.run(
        request_for(tasks=("broken_task",), include=(folder,)), DockerBackend()
    )
    assert evaluation.status.status == "failed"
    assert evaluation.status.exit_code == 6
    assert evaluation.variants == ()


def test_the_deadline_ends_a_real_evaluation(request_for):
    evaluation = evaluation_run.run(request_for(timeout_seconds=1, seed=7), DockerBackend())
    assert (evaluation.status.reason, evaluation.status.exit_code) == ("timeout", 124)


def test_the_runner_develops_an_experiment(images, place, monkeypatch):
    workspace = FBWorkspace(make_workspace(place / "develop"))
    scen = LLMFinetuneScen()
    evaluator = FTBenchmarkEvaluator(
        scen, tasks=[mini_home.TASK], limit=LIMIT, include=[paths.TASK_FOLDER]
    )
    exp = Experiment([Task(name="t")], experiment_workspace=workspace)
    monkeypatch.setenv("FT_BASE_MODEL", str(paths.MODEL))
    LLMFinetuneRunner(scen, evaluator).develop(exp)
    assert exp.prop_dev_feedback.final_decision is True, exp.prop_dev_feedback
    assert set(exp.result) == {mini_home.TASK}
    assert (workspace.workspace_path / "benchmark_results" / "results.json").exists()


def test_the_seeds_container_leaves_its_results_in_the_workspace(trained, place, monkeypatch):
    workspace = place / "by hand"
    workspace.mkdir()
    monkeypatch.setenv("FT_BENCHMARK_INCLUDE", str(paths.TASK_FOLDER))
    env, variables = get_benchmark_env([mini_home.TASK], trained.adapter, str(paths.MODEL), LIMIT)
    result = env.run(entry="bash /app/eval_entrypoint.sh", local_path=workspace, env=variables)
    assert (result.exit_code, result.reason) == (0, "ok"), result.stdout
    document = json.loads((workspace / "benchmark_results" / "results.json").read_text())
    assert mini_home.TASK in document["results"]
