"""Texts of about one length go together, each once, and never more than fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.inside.embed.batches import MOST_TEXTS, Encoded, batches

LENGTHS = st.lists(st.integers(1, 50), max_size=400)


@given(LENGTHS, st.integers(1, 300))
def test_every_text_is_in_one_batch(lengths, most):
    found = [place for batch in batches(lengths, most) for place in batch]
    assert sorted(found) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 300))
def test_a_batch_with_its_padding_is_no_larger_than_asked_unless_it_is_one_text(lengths, most):
    for batch in batches(lengths, most):
        widest = max(lengths[place] for place in batch)
        assert len(batch) == 1 or widest * len(batch) <= most
        assert len(batch) <= MOST_TEXTS


@given(LENGTHS, st.integers(1, 300))
def test_the_longest_texts_come_first(lengths, most):
    found = [lengths[place] for batch in batches(lengths, most) for place in batch]
    assert found == sorted(lengths, reverse=True)


def test_many_short_texts_are_several_batches():
    assert [len(batch) for batch in batches([1] * 300, 10**6)] == [MOST_TEXTS, 300 - MOST_TEXTS]


@pytest.mark.parametrize(("ids", "was_cut"), [((1, 2), True), ((1, 2, 3), False)])
def test_a_text_of_which_a_part_is_read_was_cut(ids, was_cut):
    assert Encoded(ids, 3).was_cut is was_cut
