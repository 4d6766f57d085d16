"""What makes two requests the same, and which answers are drawn."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.errors import RefusedError
from rdagent.records.keys import KEY_VERSION, canonical, is_sampled, request_key, request_seed

#: Texts as tasks write them, halves of letters among them.
TEXTS = st.text(st.characters(codec=None))
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)


def test_the_key_of_a_request_does_not_change_while_its_version_does_not():
    assert KEY_VERSION == 1
    key = request_key("generate", ("Q: \ud83d\u2028é\0", {"until": ["\n"], "do_sample": False}))
    assert key == "6d3b8c8e1ca47fe867355a82a77865f1f4901c8b82184eeb94fefb628a2ce824"


@given(st.dictionaries(TEXTS, PLAIN, min_size=2))
def test_the_order_in_which_arguments_are_named_is_no_part_of_a_key(told):
    turned = dict(reversed(told.items()))
    assert request_key("generate", ("a", told)) == request_key("generate", ("a", turned))


@given(PLAIN, PLAIN)
def test_other_arguments_have_another_key(one, other):
    same = canonical(one) == canonical(other)
    assert (request_key("rolling", (one,)) == request_key("rolling", (other,))) is same


@given(PLAIN)
def test_what_a_key_is_made_of_is_ascii_and_reads_back_as_it_was(document):
    text = canonical(document)
    assert text.isascii()
    assert json.loads(text) == document


def test_what_a_text_is_split_into_is_part_of_a_key():
    assert request_key("loglikelihood", ("ab", "c")) != request_key("loglikelihood", ("a", "bc"))


def test_the_kind_is_part_of_a_key():
    assert request_key("rolling", ("a",)) != request_key("generate", ("a",))


@pytest.mark.parametrize("odd", [object(), {1, 2}, b"bytes", float("nan"), float("inf")])
def test_arguments_that_are_no_plain_data_are_refused(odd):
    with pytest.raises(RefusedError, match="more than text and numbers"):
        request_key("generate", ("a", {"odd": odd}))


@pytest.mark.parametrize(
    ("told", "drawn"),
    [
        ({}, False),
        ({"do_sample": False}, False),
        ({"do_sample": False, "temperature": 0.7}, False),
        ({"temperature": 0.0}, False),
        ({"temperature": None}, False),
        ({"temperature": 0.7}, True),
        ({"do_sample": True}, True),
        ({"do_sample": True, "temperature": 0.0}, True),
        ({"do_sample": None, "temperature": 0.7}, True),
    ],
)
def test_an_answer_is_drawn_when_sampling_is_asked_for_or_a_temperature_alone(told, drawn):
    assert is_sampled("generate", ("a", told)) is drawn


def test_a_likelihood_is_never_drawn_and_a_sample_always_is():
    assert not is_sampled("loglikelihood", ("a", "b"))
    assert not is_sampled("rolling", ("a",))
    assert is_sampled("sample", ("a", {"do_sample": False}))


@given(st.text("0123456789abcdef", min_size=4), st.integers(0, 99), st.integers(0))
def test_a_drawn_answer_has_a_seed_that_every_generator_takes(key, draw, seed):
    found = request_seed(key, draw, seed)
    assert found == request_seed(key, draw, seed)
    assert 0 <= found < 2**31


def test_each_draw_of_a_request_has_a_seed_of_its_own():
    seeds = {request_seed("ab", draw, seed) for draw in range(50) for seed in range(4)}
    assert len(seeds) == 200
