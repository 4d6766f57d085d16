from dataclasses import dataclass
from typing import Any

import pytest

from rdagent.errors import JobFailed
from rdagent.inside.evaluate.prompt_lengths import PromptCount, watch


@dataclass
class Request:
    task_name: str
    args: tuple[Any, ...]


class Model:
    """Ten places; a token is a character."""

    max_length = 10
    max_gen_toks = 4

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def tok_encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def generate_until(self, requests: list[Request]) -> list[str]:
        self.asked += requests
        return ["" for _ in requests]

    def loglikelihood(self, requests: list[Request]) -> list[tuple[float, bool]]:
        self.asked += requests
        return [(0.0, True) for _ in requests]


def normalise(told: dict[str, Any], default: int) -> dict[str, Any]:
    return {"max_gen_toks": told.get("max_gen_toks", default)}


def watched(engine: Any = "hf", rule: Any = "truncate") -> tuple[Model, PromptCount]:
    model = Model()
    return model, watch(model, engine, rule, normalise)


def generate(length: int, **told: Any) -> Request:
    return Request("t", ("x" * length, told))


def score(length: int) -> Request:
    return Request("t", ("x" * (length - 1), "y"))


@pytest.mark.parametrize(("length", "cut"), [(6, 0), (7, 1)])
def test_a_prompt_needs_room_for_its_answer(length, cut):
    model, count = watched()
    model.generate_until([generate(length)])
    assert count.tasks["t"].cut == cut


def test_a_task_that_asks_for_short_answers_has_longer_prompts():
    model, count = watched()
    model.generate_until([generate(9, max_gen_toks=1)])
    assert count.notes() == []


@pytest.mark.parametrize(("engine", "fits"), [("hf", 11), ("vllm", 9)])
def test_each_engine_reads_as_much_as_it_does_when_answers_are_given(engine, fits):
    model, count = watched(engine)
    model.loglikelihood([score(fits)])
    assert count.tasks["t"].cut == 0
    model.loglikelihood([score(fits + 1)])
    assert count.tasks["t"].cut == 1


def test_what_was_cut_is_told_with_its_numbers():
    model, count = watched()
    model.generate_until([generate(3), generate(30), generate(20)])
    (note,) = count.notes()
    assert note.startswith("t: 2 of 3 prompts")
    assert "(the longest 30)" in note
    assert count.to_json() == {"t": {"prompts": 3, "cut": 2, "longest": 30, "room": 6}}


def test_long_prompts_are_refused_before_anything_is_generated():
    model, _ = watched(rule="refuse")
    with pytest.raises(JobFailed, match="a prompt of 7 tokens") as caught:
        model.generate_until([generate(1), generate(7)])
    assert (caught.value.reason, model.asked) == ("refused", [])


def test_answers_as_long_as_the_context_are_refused_under_either_rule():
    model, _ = watched()
    with pytest.raises(JobFailed, match="answers of 10 tokens"):
        model.generate_until([generate(1, max_gen_toks=10)])


def test_the_model_is_asked_what_it_would_have_been_asked():
    model, _ = watched()
    requests = [generate(1), generate(50)]
    assert model.generate_until(requests) == ["", ""]
    assert model.asked == requests
