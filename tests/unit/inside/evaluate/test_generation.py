from dataclasses import dataclass, replace

import pytest

from rdagent.errors import RefusedError
from rdagent.inside.evaluate import generation
from rdagent.records.requests import EvaluateRequest, Variant

REQUEST = EvaluateRequest(variants=(Variant("base", "/m"),), tasks=("t",), output="/o", engine="hf")


@dataclass
class Task:
    OUTPUT_TYPE: str
    task_name: str = "t"


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        (None, None, None),
        (None, 7, {"max_gen_toks": 7}),
        ("temperature=0.5", None, "temperature=0.5"),
        ("temperature=0.5", 7, "temperature=0.5,max_gen_toks=7"),
        ('{"until": ["a,b"]}', 7, {"until": ["a,b"], "max_gen_toks": 7}),
    ],
)
def test_the_longest_answer_goes_over_the_other_arguments(text, longest, expected):
    asked = replace(REQUEST, gen_kwargs=text, max_gen_toks=longest)
    assert generation.gen_kwargs(asked) == expected


@pytest.mark.parametrize(
    ("dtype", "gpus", "expected"),
    [("auto", 0, "float32"), ("auto", 1, "auto"), ("bfloat16", 0, "bfloat16")],
)
def test_the_type_is_what_was_asked_for_else_what_the_device_is_quick_in(dtype, gpus, expected):
    assert generation.dtype(replace(REQUEST, dtype=dtype, num_gpus=gpus)) == expected


def test_what_was_thought_is_cut_off_only_when_thinking_is_on():
    assert generation.thinking_arguments(REQUEST) == {}
    assert generation.thinking_arguments(replace(REQUEST, thinking=False)) == {
        "enable_thinking": False
    }
    assert generation.thinking_arguments(replace(REQUEST, thinking=True)) == {
        "enable_thinking": True,
        "think_end_token": "</think>",
    }


def test_thinking_about_given_answers_is_refused_before_a_model_is_loaded():
    asked = replace(REQUEST, thinking=True)
    generation.refuse_thinking(asked, [Task("generate_until")])
    with pytest.raises(RefusedError, match="Task 't'"):
        generation.refuse_thinking(asked, [Task("generate_until"), Task("multiple_choice")])


def test_a_template_without_the_switch_is_told():
    asked = replace(REQUEST, thinking=False)
    assert generation.thinking_notes(asked, "{% if enable_thinking %}") == []
    assert generation.thinking_notes(REQUEST, "{{ messages }}") == []
    assert len(generation.thinking_notes(asked, "{{ messages }}")) == 1
