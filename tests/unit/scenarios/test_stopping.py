"""A run that stops when decided, from the request to what is read back of it; no engine."""

import json
import os
from dataclasses import replace

import pytest

from rdagent.demo import mini_home, paths
from rdagent.errors import UsageError
from rdagent.evaluation import preflight as checks
from rdagent.evaluation.answers import answer_identity
from rdagent.evaluation.job import identity
from rdagent.evaluation.preflight import check
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.evaluation.run import plan, run
from rdagent.jobs.backends.fake import Program
from rdagent.records.stopping import STOPPING_KEY, StoppedTask, Stopping, Verdict
from tests.unit.scenarios.conftest import evaluates, write_adapter

VERDICT = Verdict("regressed", 4, 9, 0, 51.2, 0.0195)
STOPPING = Stopping(0.05, 1, 1234, {mini_home.TASK: StoppedTask(300, 4, "m", {"a": VERDICT})})


@pytest.fixture
def request_(workspace):
    return EvaluationRequest(
        tasks=(mini_home.TASK,),
        base_model=os.environ.get("FT_BASE_MODEL"),
        variants=(NamedVariant("a", workspace / "output"),),
        with_base=True,
        include=(paths.TASK_FOLDER,),
        engine="hf",
        stop_when_decided=True,
    )


def told(request):
    return json.loads(plan(request)[1].files["request.json"])


def test_the_program_inside_is_told_by_which_metric_each_task_is_decided(backend, request_):
    asked = replace(request_, primary={mini_home.TASK: "exact_match,braces"})
    assert told(asked)["stop"]["metrics"] == {mini_home.TASK: ["exact_match,braces"]}
    assert told(asked)["stop"]["alpha"] == 0.05


def test_a_request_that_does_not_stop_is_told_nothing_of_it(backend, request_):
    assert "stop" not in told(replace(request_, stop_when_decided=False))


def test_it_is_another_run_and_the_same_answers(backend, request_):
    stopping, whole = check(request_), check(replace(request_, stop_when_decided=False))
    assert identity(stopping, "i") != identity(whole, "i")
    _, spec = plan(request_)
    for one, other in zip(stopping.variants, whole.variants, strict=True):
        assert answer_identity(stopping, one, spec) == answer_identity(whole, other, spec)


def test_an_adapter_that_would_be_merged_is_refused_before_anything_starts(
    backend, request_, workspace
):
    write_adapter(workspace / "output", use_dora=True)
    with pytest.raises(UsageError, match="cannot serve a without merging"):
        plan(replace(request_, engine="vllm"))


def test_processes_side_by_side_are_refused_before_anything_starts(backend, request_, monkeypatch):
    monkeypatch.setattr(checks, "visible_gpus", lambda: ("0", "1", "2", "3"))
    several = replace(request_, num_gpus=4, tensor_parallel=2)
    with pytest.raises(UsageError, match="there are 2"):
        plan(several)
    assert told(replace(several, tensor_parallel=4))["shards"] == 1
    assert told(replace(several, stop_when_decided=False))["shards"] == 2


def evaluation(backend, request, said):
    plain = evaluates()

    def act(words, out):
        plain.does(words, out)
        for folder in (out / "variants").iterdir():
            document = {"schema": "rdagent.variant/2", STOPPING_KEY: said}
            (folder / "variant.json").write_text(json.dumps(document))

    return run(request, backend(evaluate=Program(does=act)))


def test_what_came_of_it_is_read_back_and_the_run_is_called_limited(backend, request_):
    found = evaluation(backend, request_, STOPPING.to_json())
    assert found.status.reason == "ok"
    assert found.stopping == STOPPING
    assert found.limited() == f"stopped when decided: {mini_home.TASK} 4 of 300 documents"
    assert found.to_json()[STOPPING_KEY]["tasks"][mini_home.TASK]["answered"] == 4


def test_a_job_that_stopped_without_being_asked_is_not_believed(backend, request_):
    found = evaluation(backend, replace(request_, stop_when_decided=False), STOPPING.to_json())
    assert found.stopping is None
    assert found.limited() is None
