"""What is tried when memory runs out, and in which order."""

import pytest

from rdagent.evaluation.ladder import MOST_STEPS, Rung, last_rung, next_rung
from rdagent.evaluation.request import EvaluationRequest


def climb(engine, *, on_gpu=False, context=4096, **request):
    asked = EvaluationRequest(tasks=("t",), **request)
    rung, found = Rung(), []
    while rung := next_rung(rung, asked, engine, on_gpu=on_gpu, context=context):
        found.append(rung)
    return found


def test_batches_get_smaller_and_three_steps_are_the_most():
    assert [rung.batch_size for rung in climb("hf")] == ["8", "2", "1"]
    assert [rung.batch_size for rung in climb("hf", batch_size="256")] == ["64", "16", "4"]
    assert [rung.step for rung in climb("vllm", batch_size="9999")] == [1, 2, 3]
    assert len(climb("vllm", batch_size="9999")) == MOST_STEPS


def test_one_request_at_a_time_is_the_end():
    assert climb("hf", batch_size="1") == []
    assert [rung.batch_size for rung in climb("hf", batch_size="3")] == ["1"]


def test_vllm_on_a_gpu_also_takes_less_of_its_memory():
    steps = [(rung.batch_size, rung.memory_share) for rung in climb("vllm", on_gpu=True)]
    assert steps == [("64", None), ("64", 0.7), ("16", 0.7)]


def test_the_context_is_shortened_with_consent_only_and_last():
    assert all(rung.max_model_len is None for rung in climb("hf"))
    lengths = [rung.max_model_len for rung in climb("hf", allow_shorter_context=True)]
    assert lengths == [None, None, 2048]
    at_once = climb("hf", batch_size="1", allow_shorter_context=True)
    assert [rung.max_model_len for rung in at_once] == [2048]


def test_a_short_context_is_not_made_useless():
    assert climb("hf", batch_size="1", context=800, allow_shorter_context=True) == []
    assert climb("hf", batch_size="1", context=None, allow_shorter_context=True) == []


def test_a_rung_changes_the_request_as_it_says():
    asked = EvaluationRequest(tasks=("t",))
    changed = Rung(1, "8", 0.7, 1024).applied(asked)
    assert (changed.batch_size, changed.memory_share, changed.max_model_len) == ("8", 0.7, 1024)
    assert Rung(1, "8").applied(asked).max_model_len is None


@pytest.mark.parametrize(
    ("events", "step"),
    [
        ([], 0),
        ([{"event": "started"}], 0),
        ([{"event": "out_of_memory_step", "step": 1, "batch_size": "8"}], 1),
        ([{"event": "out_of_memory_step", "step": n} for n in (1, 2)], 2),
    ],
)
def test_a_run_goes_on_from_the_step_that_its_events_name(events, step):
    assert last_rung(events).step == step
