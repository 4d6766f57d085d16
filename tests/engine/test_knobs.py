"""What a user can turn, turned on a real engine; models of one's own beside the base."""

import json
import shutil

import pytest

from rdagent.demo import mini_home, paths
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.jobs.backends.docker import DockerBackend

pytestmark = [pytest.mark.engine, pytest.mark.images]

LIMIT = 3
SYSTEM = 'Say "ja" only. 只回答。'


def evaluate(**changes):
    request = EvaluationRequest(
        tasks=(mini_home.TASK,),
        base_model=str(paths.MODEL),
        with_base=True,
        include=(paths.TASK_FOLDER,),
        engine="hf",
        limit=LIMIT,
        timeout_seconds=600,
        **changes,
    )
    return evaluation_run.run(request, DockerBackend())


@pytest.fixture(scope="module")
def turned(images, place):
    """The base and a copy of it, with little room, a system text and short answers."""
    twin = shutil.copytree(paths.MODEL, place / "a twin 双胞胎")
    return evaluate(
        variants=(NamedVariant("twin", None, str(twin)),),
        max_model_len=250,
        max_gen_toks=20,
        system_prompt=SYSTEM,
        thinking=False,
        batch_size="2",
        label="turned",
    )


def read(evaluation, variant, name):
    return json.loads((evaluation.variant(variant).folder / name).read_text(encoding="utf-8"))


def rows(evaluation, variant):
    path = evaluation.variant(variant).folder / f"samples_{mini_home.TASK}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_model_of_ones_own_is_a_variant_and_a_copy_answers_as_the_base_does(turned):
    assert turned.status.reason == "ok", turned.log_tail
    base, twin = ([row["resps"] for row in rows(turned, variant)] for variant in ("base", "twin"))
    assert base == twin
    assert len(base) == LIMIT


def test_the_system_text_is_in_every_prompt_and_in_the_results(turned):
    assert read(turned, "twin", "results.json")["system_instruction"] == SYSTEM
    for row in rows(turned, "twin"):
        assert SYSTEM in row["arguments"]["gen_args_0"]["arg_0"]


def test_answers_are_as_long_as_was_asked_for(turned):
    for row in rows(turned, "twin"):
        assert row["arguments"]["gen_args_0"]["arg_1"]["max_gen_toks"] == 20


def test_prompts_that_were_cut_are_counted_and_told(turned):
    counted = read(turned, "base", "variant.json")["prompts"][mini_home.TASK]
    assert counted["prompts"] == counted["cut"] == LIMIT
    assert counted["room"] == 230
    assert counted["longest"] > 230
    assert any("their beginning was cut" in note for note in turned.variant("base").notes)


def test_a_switch_that_the_template_lacks_is_told(turned):
    assert any("no switch for it" in note for note in turned.variant("twin").notes)


def test_long_prompts_are_refused_when_that_is_asked_for(images):
    evaluation = evaluate(max_model_len=250, max_gen_toks=20, long_prompts="refuse")
    assert (evaluation.status.reason, evaluation.status.exit_code) == ("refused", 2)
    assert "leaves room for 230" in evaluation.status.hint
    assert evaluation.variants == ()
