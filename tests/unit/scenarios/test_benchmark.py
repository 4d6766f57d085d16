"""The evaluator: what comes back, in words and in numbers, for good and for bad."""

import json
import os
import signal
from collections import namedtuple
from dataclasses import replace

import pytest

from rdagent.core.experiment import FBWorkspace, Task
from rdagent.demo import mini_home, paths
from rdagent.errors import RefusedError, UsageError
from rdagent.evaluation import engines
from rdagent.evaluation.benchmarks_add import AddRequest, add
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.evaluation.run import run
from rdagent.jobs.backends.fake import Program
from rdagent.jobs.local_environment import LocalEnv
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator, get_benchmark_env
from tests.unit.scenarios.conftest import evaluates, lm_eval_results, write_adapter

Usage = namedtuple("Usage", "total used free")
TASK = Task(name="test")


def evaluator(backend, tasks=(mini_home.TASK,), **kwargs):
    return FTBenchmarkEvaluator(
        LLMFinetuneScen(), tasks=tasks, include=[paths.TASK_FOLDER], backend=backend, **kwargs
    )


def test_feedback_carries_the_report_the_average_and_the_scores(backend, workspace):
    implementation = FBWorkspace(workspace)
    feedback = evaluator(backend()).evaluate(TASK, implementation, None)
    assert feedback.final_decision is True
    assert feedback.execution.startswith("Benchmark completed: 1/1 tasks evaluated")
    assert "demo_home: 75.00% ± 10.00 (exact_match,braces, n=4)" in feedback.return_checking
    assert feedback.code == "75.00"
    assert feedback.scores["demo_home"].value == 0.75
    assert feedback.verdict is None
    assert implementation.running_info.result == {"demo_home": 0.75}


def test_results_land_in_the_workspace_under_their_stable_names(backend, workspace):
    evaluator(backend()).evaluate(TASK, FBWorkspace(workspace), None)
    document = json.loads((workspace / "benchmark_results" / "results.json").read_text())
    assert document["results"]["demo_home"]["exact_match,braces"] == 0.75
    assert (workspace / "benchmark_results" / "samples_demo_home.jsonl").exists()
    pointer = json.loads((workspace / "run.json").read_text())
    assert pointer["reason"] == "ok"


def test_the_fourth_argument_may_stand_by_position(backend, workspace):
    assert evaluator(backend()).evaluate(TASK, FBWorkspace(workspace), None, object())


def test_a_limited_run_says_so(backend, workspace):
    feedback = evaluator(backend(), limit=10).evaluate(TASK, FBWorkspace(workspace), None)
    assert "Limited run (limit=10)" in feedback.return_checking


def test_a_workspace_without_an_adapter_is_told_in_the_seeds_words(backend, tmp_path):
    fake = backend()
    feedback = evaluator(fake).evaluate(TASK, FBWorkspace(tmp_path / "empty"), None)
    assert feedback.execution.startswith("Adapter validation failed: No adapter weight file")
    assert (feedback.final_decision, feedback.reason) == (False, "adapter_invalid")
    assert fake.created == []


def test_an_unknown_task_is_refused_before_anything_starts_with_near_names(backend, workspace):
    fake = backend()
    feedback = evaluator(fake, tasks=["demo_hom"]).evaluate(TASK, FBWorkspace(workspace), None)
    assert "Task 'demo_hom' not found" in feedback.execution
    assert "demo_home" in feedback.return_checking
    assert (feedback.reason, fake.created) == ("refused", [])


def test_a_deadline_that_was_reached_is_told_in_the_seeds_words(backend, workspace, monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_TIMEOUT", "0.3")
    fake = backend(evaluate=Program(seconds=60))
    feedback = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert feedback.execution.startswith("Benchmark execution failed (exit_code=124)")
    assert feedback.reason == "timeout"


def test_a_requested_task_without_a_result_is_incomplete(backend, workspace, gsm8k):
    fake = backend(evaluate=evaluates(results=lm_eval_results("gsm8k")))
    feedback = evaluator(fake, tasks=[mini_home.TASK, "gsm8k"]).evaluate(
        TASK, FBWorkspace(workspace), None
    )
    assert (feedback.final_decision, feedback.reason) == (False, "incomplete")
    assert "demo_home: no result" in feedback.return_checking


@pytest.mark.parametrize("content", [b"", b'{"results": {"demo', b'{"results": {"a": NaN}}', b"[]"])
def test_results_that_are_damaged_are_no_success(backend, workspace, content):
    def act(words, out):
        evaluates().does(words, out)
        (out / "variants" / "adapter" / "results.json").write_bytes(content)

    feedback = evaluator(backend(evaluate=Program(does=act))).evaluate(
        TASK, FBWorkspace(workspace), None
    )
    assert feedback.final_decision is False
    assert feedback.reason in ("results_invalid", "incomplete")


def test_a_failed_job_leaves_no_score_of_an_earlier_adapter_behind(backend, workspace, place):
    implementation = FBWorkspace(workspace)
    evaluator(backend()).evaluate(TASK, implementation, None)
    write_adapter(workspace / "output", r=8)
    failing = backend(
        evaluate=Program(exit_code=1, prints=(b"Traceback\nValueError: \x1b[31mno\n",))
    )
    feedback = evaluator(failing).evaluate(TASK, implementation, None)
    assert feedback.reason == "command_failed"
    assert feedback.code == ""
    assert "ValueError: no" in feedback.raw_execution
    assert implementation.running_info.result is None
    assert not (workspace / "benchmark_results" / "results.json").exists()
    assert len(list((place / "ft" / "runs").glob("*/variants/adapter/results.json"))) == 1


def test_the_same_request_is_answered_by_its_finished_run(backend, workspace):
    fake = backend()
    first = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    second = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert len(fake.created) == 1
    assert second.scores == first.scores


def test_another_adapter_is_another_run(backend, workspace):
    fake = backend()
    evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    write_adapter(workspace / "output", r=32)
    evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert len(fake.created) == 2


def test_an_adapter_that_vllm_cannot_serve_is_merged_first_and_the_feedback_says_so(
    backend, workspace, monkeypatch
):
    monkeypatch.setenv("FT_BENCHMARK_ENGINE", "vllm")
    write_adapter(workspace / "output", use_dora=True)
    fake = backend()
    feedback = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert "merged into its base first" in feedback.return_checking
    assert "DoRA" in feedback.return_checking
    told = json.loads(fake.created[0].spec.files["request.json"])
    assert (told["engine"], told["variants"][0]["merge"]) == ("vllm", True)


def test_an_adapter_that_cannot_even_be_merged_goes_to_hf(backend, workspace, monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_ENGINE", "vllm")
    write_adapter(workspace / "output", alora_invocation_tokens=[1])
    fake = backend()
    feedback = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert "ran on hf instead" in feedback.return_checking
    told = json.loads(fake.created[0].spec.files["request.json"])
    assert (told["engine"], told["variants"][0]["merge"]) == ("hf", False)


def test_on_hf_nothing_is_merged(backend, workspace):
    write_adapter(workspace / "output", use_dora=True)
    fake = backend()
    evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    told = json.loads(fake.created[0].spec.files["request.json"])
    assert (told["engine"], told["variants"][0]["merge"]) == ("hf", False)


def test_a_merge_into_a_quantised_base_is_refused_with_what_to_do(
    backend, workspace, place, monkeypatch
):
    monkeypatch.setenv("FT_BENCHMARK_ENGINE", "vllm")
    config = {"model_type": "qwen2", "quantization_config": {"quant_method": "gptq"}}
    (place / "base" / "config.json").write_text(json.dumps(config))
    write_adapter(workspace / "output", use_dora=True)
    fake = backend()
    feedback = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert (feedback.reason, fake.created) == ("refused", [])
    assert "--engine hf" in feedback.return_checking


def test_a_merge_without_room_on_the_disk_is_not_started(backend, workspace, monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_ENGINE", "vllm")
    write_adapter(workspace / "output", use_dora=True)
    monkeypatch.setattr(engines.shutil, "disk_usage", lambda place: Usage(1, 1, 1))
    fake = backend()
    feedback = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert (feedback.reason, fake.created) == ("disk_full", [])


def test_a_damaged_adapter_is_refused_with_its_reason_before_anything_starts(backend, workspace):
    weights = workspace / "output" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    fake = backend()
    feedback = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert (feedback.reason, fake.created) == ("adapter_invalid", [])
    assert feedback.execution.startswith("Adapter validation failed: ")


def test_what_is_doubtful_about_an_adapter_is_a_note_in_the_feedback(backend, workspace):
    state = {"global_step": 3, "max_steps": 10, "log_history": []}
    (workspace / "output" / "trainer_state.json").write_text(json.dumps(state))
    feedback = evaluator(backend()).evaluate(TASK, FBWorkspace(workspace), None)
    assert "training_partial: step 3 of 10" in feedback.return_checking
    assert feedback.final_decision is True


def test_the_rank_limit_follows_the_adapter(backend, workspace, monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_ENGINE", "vllm")
    write_adapter(workspace / "output", r=100)
    fake = backend()
    evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    told = json.loads(fake.created[0].spec.files["request.json"])
    assert (told["engine"], told["max_lora_rank"]) == ("vllm", 128)


def test_get_benchmark_env_gives_container_paths(place, workspace, gsm8k):
    env, variables = get_benchmark_env(
        ["gsm8k"], workspace / "output", str(place / "base"), limit=10
    )
    assert variables["BASE_MODEL"] == "/models/base"
    assert variables["ADAPTER_PATH"] == "/adapter"
    assert (variables["BENCHMARK_TASKS"], variables["LIMIT"]) == ("gsm8k", "10")
    assert env.conf.extra_volumes[str(workspace / "output")] == "/adapter"
    assert env.conf.extra_volumes[str(gsm8k.folder.parents[1])] == variables["RDAGENT_BENCHMARKS"]


def test_get_benchmark_env_refuses_a_task_without_data(place, workspace):
    with pytest.raises(RefusedError, match="the data of gsm8k are not on this machine"):
        get_benchmark_env(["gsm8k"], workspace / "output", str(place / "base"))


def test_missing_data_are_refused_by_name_before_anything_starts(backend, workspace, gsm8k):
    fake = backend()
    feedback = evaluator(fake, tasks=["gsm8k", "mmlu"]).evaluate(TASK, FBWorkspace(workspace), None)
    assert "the data of mmlu (57 tasks) are not on this machine" in feedback.execution
    assert "rdagent benchmarks fetch mmlu" in feedback.return_checking
    assert (feedback.reason, feedback.final_decision, fake.created) == ("refused", False, [])


def test_the_identity_of_a_run_covers_its_data(backend, workspace, gsm8k, tmp_path):
    def run():
        fake = backend(evaluate=evaluates(results=lm_eval_results("gsm8k")))
        feedback = evaluator(fake, tasks=["gsm8k"]).evaluate(TASK, FBWorkspace(workspace), None)
        assert feedback.final_decision
        return len(fake.created)

    assert (run(), run()) == (1, 0)
    other = tmp_path / "other.jsonl"
    other.write_text('{"question": "Other?", "answer": "#### 2"}\n')
    add(AddRequest("gsm8k", {"test": other}, {}, replace=True), gsm8k.folder.parents[1])
    assert run() == 1


def test_a_dry_run_shows_the_job_and_starts_nothing(place, workspace, gsm8k):
    env, variables = get_benchmark_env(["gsm8k"], workspace / "output", str(place / "base"))
    shown = env.dry_run(local_path=workspace, env=variables)
    assert shown["argv"] == ["bash", "/app/eval_entrypoint.sh"] or shown["argv"] == (
        "bash",
        "/app/eval_entrypoint.sh",
    )
    assert shown["environment"]["BASE_MODEL"] == "/models/base"
    assert shown["network"] == "none"


def test_making_scenario_and_evaluator_does_no_io(monkeypatch):
    monkeypatch.setattr("pathlib.Path.open", lambda *a, **k: pytest.fail("opened a file"))
    monkeypatch.setattr("builtins.open", lambda *a, **k: pytest.fail("opened a file"))
    FTBenchmarkEvaluator(LLMFinetuneScen(), tasks=["gsm8k"], limit=10)


def test_names_of_adapters_may_have_capitals_and_any_letters(backend, workspace):
    request = EvaluationRequest(
        tasks=(mini_home.TASK,),
        base_model=None,
        variants=(
            NamedVariant("Tuned", workspace / "output"),
            NamedVariant("模型", workspace / "output"),
        ),
        include=(paths.TASK_FOLDER,),
    )
    request = replace(request, base_model=os.environ["FT_BASE_MODEL"])
    fake = backend()
    evaluation = run(request, fake)
    assert {variant.name for variant in evaluation.variants} == {"Tuned", "模型"}
    assert "{mount:" not in json.dumps(fake.created[0].labels)


@pytest.mark.parametrize(
    "change",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": float("nan")},
        {"batch_size": "abc"},
        {"timeout_seconds": -5},
        {"num_fewshot": -3},
        {"max_model_len": 0},
    ],
)
def test_numbers_that_cannot_be_are_refused_before_anything_starts(backend, workspace, change):
    request = EvaluationRequest(tasks=(mini_home.TASK,), with_base=True, **change)
    with pytest.raises(UsageError, match=next(iter(change))):
        run(request, backend())


def test_adapters_of_different_bases_are_not_mixed(backend, tmp_path):
    write_adapter(tmp_path / "a", base_model_name_or_path="one")
    write_adapter(tmp_path / "b", base_model_name_or_path="two")
    adapters = (NamedVariant("a", tmp_path / "a"), NamedVariant("b", tmp_path / "b"))
    request = EvaluationRequest(
        tasks=(mini_home.TASK,), variants=adapters, include=(paths.TASK_FOLDER,)
    )
    with pytest.raises(RefusedError, match="different base models"):
        run(request, backend())


def test_an_adapter_that_changes_while_it_is_evaluated_gets_no_score(backend, workspace):
    def act(words, out):
        evaluates().does(words, out)
        write_adapter(workspace / "output", r=64)

    fake = backend(evaluate=Program(does=act))
    feedback = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert (feedback.final_decision, feedback.reason) == (False, "results_invalid")


def test_a_finished_run_whose_results_were_damaged_is_run_again(backend, workspace, place):
    fake = backend()
    evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    (results,) = (place / "ft" / "runs").glob("*/variants/adapter/results.json")
    results.write_text("{")
    feedback = evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    assert feedback.final_decision is True
    assert len(fake.created) == 2


def test_ctrl_c_during_a_run_reaches_the_caller_after_the_record_is_written(
    backend, workspace, place, monkeypatch
):
    fake = backend(evaluate=Program(seconds=60))
    states = iter(range(100))
    real = fake.state

    def interrupted(identifier):
        if next(states) == 3:
            signal.raise_signal(signal.SIGINT)
        return real(identifier)

    monkeypatch.setattr(fake, "state", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluator(fake).evaluate(TASK, FBWorkspace(workspace), None)
    (status,) = (place / "ft" / "runs").glob("*/status.json")
    assert json.loads(status.read_text())["reason"] == "cancelled"
    assert fake.found() == []


def test_get_benchmark_env_gives_host_paths_without_a_container(
    place, workspace, monkeypatch, gsm8k
):
    monkeypatch.setenv("FT_ENV", "local")
    monkeypatch.setenv("BENCHMARK_DOCKER_MEM_LIMIT", "3g")
    env, variables = get_benchmark_env(["gsm8k"], workspace / "output", str(place / "base"))
    assert isinstance(env, LocalEnv)
    assert variables["BASE_MODEL"] == str(place / "base")
    assert variables["ADAPTER_PATH"] == str(workspace / "output")
    assert variables["HF_DATASETS_CACHE"] == str(place / "ft" / "benchmarks")
    assert variables["RDAGENT_BENCHMARKS"] == str(gsm8k.folder.parents[1])
    assert env.conf.mem_limit == "3g"


def test_the_entry_of_the_container_is_understood_without_one(place, workspace, monkeypatch, gsm8k):
    monkeypatch.setenv("FT_ENV", "local")
    env, variables = get_benchmark_env(["gsm8k"], workspace / "output", str(place / "base"))
    shown = env.dry_run(
        entry="bash /app/eval_entrypoint.sh",
        local_path=workspace,
        env={**variables, "INCLUDE_PATH": "/workspace/tasks"},
    )
    assert tuple(shown["argv"]) == ("bash", "{mount:app}/eval_entrypoint.sh")
    assert shown["environment"]["INCLUDE_PATH"] == "{mount:workspace}/tasks"
    assert shown["workdir"] == "{mount:workspace}"


def test_feedback_says_where_jobs_are_not_isolated(backend, workspace):
    feedback = evaluator(backend()).evaluate(TASK, FBWorkspace(workspace), None)
    assert "does not isolate" in feedback.return_checking
