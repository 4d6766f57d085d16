"""Prompts that are too long: counted from a plan, or refused, before a model is loaded."""

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from rdagent.errors import JobFailed
from rdagent.inside.evaluate.prompt_lengths import PromptCount, count_prompts
from rdagent.records.plan import Occurrence, Plan, Request
from rdagent.records.requests import EvaluateRequest

CONTEXT, USUAL = 10, 4


@dataclass
class Planned:
    """What is read of a plan and its requests; a task asks each request once."""

    requests: tuple[Request, ...]
    task: str = "t"
    times: int = 1

    @property
    def plan(self) -> Plan:
        numbers = [n for n in range(len(self.requests)) for _ in range(self.times)]
        places = tuple(Occurrence(number, self.task, number, 0) for number in numbers)
        return Plan("d", places, {}, {}, {})


@pytest.fixture(autouse=True)
def _lm_eval(monkeypatch):
    """lm_eval's reading of generation arguments, as far as it counts here."""
    module: Any = ModuleType("lm_eval.models.utils")
    module.normalize_gen_kwargs = lambda told, _: {"max_gen_toks": told.get("max_gen_toks", USUAL)}
    for name in ("lm_eval", "lm_eval.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "lm_eval.models.utils", module)


def count(*requests: Request, engine: Any = "hf", rule: Any = "truncate", **more) -> PromptCount:
    request = EvaluateRequest((), ("t",), "/out", engine, long_prompts=rule)
    return count_prompts(Planned(requests, **more), request, CONTEXT)


def generate(length: int | None, **told: Any) -> Request:
    return Request("generate", "k", 0, ("x", told), 0, length)


def score(length: int) -> Request:
    return Request("loglikelihood", "k", 0, ("x", "y"), 0, length)


@pytest.mark.parametrize(("length", "cut"), [(6, 0), (7, 1)])
def test_a_prompt_needs_room_for_its_answer(length, cut):
    assert count(generate(length)).tasks["t"].cut == cut


def test_a_task_that_asks_for_short_answers_has_longer_prompts():
    assert count(generate(9, max_gen_toks=1)).notes() == []


@pytest.mark.parametrize(("engine", "fits"), [("hf", 11), ("vllm", 9), ("scripted", 11)])
def test_each_engine_reads_as_much_as_it_does_when_answers_are_given(engine, fits):
    assert count(score(fits), engine=engine).tasks["t"].cut == 0
    assert count(score(fits + 1), engine=engine).tasks["t"].cut == 1


def test_what_was_cut_is_told_with_its_numbers():
    found = count(generate(3), generate(30), generate(20))
    (note,) = found.notes()
    assert note.startswith("t: 2 of 3 prompts")
    assert "(the longest 30)" in note
    assert found.to_json() == {"t": {"prompts": 3, "cut": 2, "longest": 30, "room": 6}}


def test_a_request_counts_as_often_as_documents_ask_it():
    assert count(generate(7), times=3).tasks["t"].cut == 3


def test_texts_that_are_scored_window_by_window_lose_nothing():
    assert count(Request("rolling", "k", 0, ("x",), 0, 999)).tasks == {}


def test_nothing_is_said_of_prompts_whose_length_nobody_knows():
    assert count(generate(None)).tasks == {}


def test_what_was_planned_and_is_not_asked_is_not_counted():
    planned = Planned((generate(99),))
    places = (Occurrence(-1, "t", 0, 0),)
    planned = type("Planned", (), {"requests": planned.requests})()
    planned.plan = Plan("d", places, {}, {}, {})
    request = EvaluateRequest((), ("t",), "/out", "hf", long_prompts="refuse")
    assert count_prompts(planned, request, CONTEXT).tasks == {}


def test_long_prompts_are_refused_where_that_was_asked_for():
    with pytest.raises(JobFailed, match="a prompt of 7 tokens") as caught:
        count(generate(1), generate(7), rule="refuse")
    assert caught.value.reason == "refused"


def test_answers_as_long_as_the_context_are_refused_under_either_rule():
    with pytest.raises(JobFailed, match="answers of 10 tokens"):
        count(generate(1, max_gen_toks=10))
