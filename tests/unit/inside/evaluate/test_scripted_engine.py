"""An engine that says what a file says: the same each time, and other things for other variants."""

import json

import pytest

from rdagent.errors import JobFailed
from rdagent.inside.evaluate.scripted_engine import ScriptedEngine
from rdagent.records.plan import Request
from rdagent.records.requests import EvaluateRequest, Variant


def opened(tmp_path, **script) -> ScriptedEngine:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    return ScriptedEngine.open(EvaluateRequest((), (), "/out", "scripted", script=str(path)))


def ask(engine: ScriptedEngine, variant: str, *requests: Request):
    engine.use(Variant(variant, "/m"))
    counted: list[None] = []
    answers = engine.answer(requests, lambda: counted.append(None))
    assert len(counted) == len(requests)
    return answers


def generate(prompt: str) -> Request:
    return Request("generate", f"key of {prompt}", 0, (prompt, {}), 0)


SCORED = Request("loglikelihood", "k", 0, ("q", "a"), 0)
ROLLING = Request("rolling", "k2", 0, ("text",), 0)


def test_a_variants_own_text_comes_before_everybodys_and_that_before_the_default(tmp_path):
    engine = opened(
        tmp_path, default="?", answers={"q": "all", "r": "all"}, variants={"b": {"q": "mine"}}
    )
    prompts = [generate(prompt) for prompt in "qrs"]
    texts = {
        variant: [one.outputs[0].text for one in ask(engine, variant, *prompts)]
        for variant in ("a", "b")
    }
    assert texts == {"a": ["all", "all", "?"], "b": ["mine", "all", "?"]}


def test_a_likelihood_is_the_same_each_time_and_another_one_for_each_variant(tmp_path):
    engine = opened(tmp_path)
    first, again, other = (
        [one.value for one in ask(engine, variant, SCORED, ROLLING)] for variant in ("a", "a", "b")
    )
    assert first == again != other
    assert isinstance(first[0], tuple)
    assert isinstance(first[1], float)


@pytest.mark.parametrize("content", ["[]", "{", '{"answers": {"q": 1}}', '{"default": 5}'])
def test_a_script_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "script.json").write_text(content)
    request = EvaluateRequest((), (), "/out", "scripted", script=str(tmp_path / "script.json"))
    with pytest.raises(JobFailed) as caught:
        ScriptedEngine.open(request)
    assert caught.value.reason == "refused"


def test_without_a_script_there_is_no_such_engine():
    with pytest.raises(JobFailed, match="needs a script"):
        ScriptedEngine.open(EvaluateRequest((), (), "/out", "scripted"))
