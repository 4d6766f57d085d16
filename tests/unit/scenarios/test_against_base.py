"""The evaluator beside the base: a verdict where its answers are there, and none where not."""

import json
import os

import pytest

from rdagent.core.experiment import Experiment, FBWorkspace, Task
from rdagent.demo import mini_home, paths
from rdagent.evaluation.request import EvaluationRequest
from rdagent.evaluation.run import run
from rdagent.jobs.backends.fake import Program
from rdagent.records.ledger import Answer, Output, dump
from rdagent.records.status import InsideStatus, PartStatus
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator
from rdagent.scenarios.finetune.train.runner import LLMFinetuneRunner
from tests.unit.comparison.builders import TaskSpec, write_side

GOOD, BAD = [1.0] * 80 + [0.0] * 20, [1.0] * 20 + [0.0] * 80
SECRET = "Question 3 of demo_home"


def answers(version=1.0, **values):
    """A program that answers and scores: the values of each variant."""

    def act(words, out):
        request = json.loads(words.files["request.json"])
        parts = []
        for variant in request["variants"]:
            name = variant["name"]
            folder = out / "variants" / name
            task = TaskSpec(values[name], filter="braces", version=version)
            write_side(folder, model="base", tasks={"demo_home": task}, layout="plain")
            answer = Answer("k", 0, "generate", (Output(name),))
            (folder / "ledger.jsonl").write_bytes(dump([answer]))
            (folder / "answered.json").write_text('{"schema": "rdagent.answered/1"}')
            parts.append(PartStatus(name, "ok"))
        InsideStatus("ok", "", tuple(parts)).write(out)

    return Program(does=act)


def evaluator(backend):
    return FTBenchmarkEvaluator(
        LLMFinetuneScen(), tasks=(mini_home.TASK,), include=[paths.TASK_FOLDER], backend=backend
    )


def evaluate_base(backend, **changes):
    request = EvaluationRequest(
        tasks=(mini_home.TASK,),
        base_model=os.environ["FT_BASE_MODEL"],
        include=(paths.TASK_FOLDER,),
        with_base=True,
        **changes,
    )
    return run(request, backend)


def feedback_of(backend, workspace):
    return evaluator(backend).evaluate(Task(name="t"), FBWorkspace(workspace), None)


def test_without_the_bases_answers_there_is_no_verdict(backend, workspace):
    feedback = feedback_of(backend(answers(adapter=GOOD)), workspace)
    assert feedback.final_decision is True
    assert feedback.verdict is None
    assert "Against the base" not in feedback.return_checking


@pytest.mark.parametrize(
    ("base", "adapter", "verdict"),
    [(BAD, GOOD, "improved"), (GOOD, BAD, "regressed"), (GOOD, GOOD, "inconclusive")],
)
def test_the_bases_answers_of_another_run_give_a_verdict(
    backend, workspace, base, adapter, verdict
):
    fake = backend(answers(base=base, adapter=adapter))
    evaluate_base(fake)
    feedback = feedback_of(fake, workspace)
    assert feedback.verdict == verdict
    assert f"{verdict} - " in feedback.return_checking
    assert feedback.final_decision is True


def test_feedback_holds_numbers_and_no_text_of_a_test_item(backend, workspace):
    fake = backend(answers(base=BAD, adapter=GOOD))
    evaluate_base(fake)
    checked = feedback_of(fake, workspace).return_checking
    assert "20.00% to 80.00%, +60.00%, n 100" in checked
    assert SECRET not in checked
    assert "target 3" not in checked


def test_a_regression_counts_only_where_that_is_required(backend, workspace, monkeypatch):
    fake = backend(answers(base=GOOD, adapter=BAD))
    evaluate_base(fake)
    assert feedback_of(fake, workspace).final_decision is True
    monkeypatch.setenv("FT_REQUIRE_NO_REGRESSION", "true")
    assert feedback_of(fake, workspace).final_decision is False


def test_where_it_is_required_and_no_base_is_there_the_decision_stays_open(
    backend, workspace, monkeypatch
):
    monkeypatch.setenv("FT_REQUIRE_NO_REGRESSION", "true")
    feedback = feedback_of(backend(answers(adapter=GOOD)), workspace)
    assert feedback.final_decision is None
    assert not feedback


def test_a_base_that_was_served_in_another_way_is_not_taken(backend, workspace):
    fake = backend(answers(base=BAD, adapter=GOOD))
    evaluate_base(fake, seed=99)
    assert feedback_of(fake, workspace).verdict is None


def test_another_base_model_is_not_taken(backend, workspace, tmp_path, monkeypatch):
    fake = backend(answers(base=BAD, adapter=GOOD))
    evaluate_base(fake)
    config = tmp_path / "base" / "config.json"
    config.write_text('{"model_type": "qwen2", "other": 1}')
    assert feedback_of(fake, workspace).verdict is None


def test_a_base_that_was_asked_something_else_is_not_compared(backend, workspace):
    evaluate_base(backend(answers(base=BAD)))
    other = backend(answers(version=2.0, adapter=GOOD))
    assert feedback_of(other, workspace).verdict is None


def test_damaged_results_of_the_base_give_no_verdict_and_lose_nothing(backend, workspace):
    fake = backend(answers(base=BAD, adapter=GOOD))
    done = evaluate_base(fake)
    (done.folder / "variants" / "base" / "results.json").write_text("{")
    feedback = feedback_of(fake, workspace)
    assert feedback.verdict is None
    assert feedback.final_decision is True


def test_the_runner_hands_the_verdict_on(backend, workspace):
    fake = backend(answers(base=BAD, adapter=GOOD))
    evaluate_base(fake)
    runner = LLMFinetuneRunner(LLMFinetuneScen(), evaluator(fake), backend=fake)
    exp = Experiment([Task(name="t")], experiment_workspace=FBWorkspace(workspace))
    assert runner.develop(exp).prop_dev_feedback.verdict == "improved"


def test_candidates_before_this_one_are_counted(backend, workspace):
    fake = backend(answers(base=BAD, adapter=GOOD))
    evaluate_base(fake)
    feedback_of(fake, workspace)
    config = workspace / "output" / "adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": 2', '"lora_alpha": 4'))
    assert "candidate 2 of this base" in feedback_of(fake, workspace).return_checking
