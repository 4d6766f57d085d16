"""What is written: lm_eval's schema in strict JSON."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from rdagent.inside.evaluate import output
from rdagent.inside.evaluate.jsonable import finite, plain


def test_nan_and_infinities_become_null() -> None:
    assert finite({"a": [math.nan, math.inf, 1.5]}) == {"a": [None, None, 1.5]}


def test_a_score_that_is_nan_is_named() -> None:
    notes = output.not_finite_notes({"t": {"alias": "t", "f1,none": math.nan}})
    assert notes == ["t: f1,none is nan, written as null"]


def test_the_address_of_a_function_is_left_out() -> None:
    assert "0x" not in plain(test_nan_and_infinities_become_null)


def test_a_sample_has_named_prompts_and_answers_as_text() -> None:
    row = {
        "doc_id": 0,
        "arguments": [("prompt", {"until": []})],
        "resps": [[(-1.5, True)]],
        "filtered_resps": [(-1.5, True)],
        "target": 3,
    }
    assert output.sample_record(row) == {
        "doc_id": 0,
        "arguments": {"gen_args_0": {"arg_0": "prompt", "arg_1": {"until": []}}},
        "resps": [[["-1.5", "True"]]],
        "filtered_resps": [["-1.5", "True"]],
        "target": "3",
    }


def test_the_name_of_a_samples_file_holds_no_path() -> None:
    assert output.samples_name("a/b (c)") == "samples_a_b__c_.jsonl"


def test_a_limit_below_one_is_a_share_rounded_up() -> None:
    assert output.wanted_documents(11, 0.3) == 4


def test_a_limit_above_the_data_is_the_data() -> None:
    assert output.wanted_documents(5, 10) == 5


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner),
        max_leaves=15,
    )
)
def test_whatever_comes_is_written_as_strict_json(value: object) -> None:
    document = finite(plain(value))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
