"""The rules by which samples are counted and refused."""

from __future__ import annotations

import pytest

from rdagent.inside.train.samples import (
    Counts,
    Sample,
    count,
    doubts,
    proposed_cutoff,
    refusal,
    spread,
)

GOOD = Sample([-100, -100, 7], full_length=3, prompt_length=2)
MASKED = Sample([-100] * 8, full_length=300, prompt_length=290, is_cut=True)
DROPPED = Sample(None)


def counts(good: int, masked: int = 0, dropped: int = 0) -> Counts:
    return count([GOOD] * good + [MASKED] * masked + [DROPPED] * dropped, 1000)


@pytest.mark.parametrize(("masked", "dropped"), [(6, 0), (0, 6), (3, 3)])
def test_more_than_five_of_a_hundred_that_teach_nothing_are_refused(
    masked: int, dropped: int
) -> None:
    assert refusal(counts(100 - masked - dropped, masked, dropped), 8) is not None


@pytest.mark.parametrize(("masked", "dropped"), [(0, 0), (5, 0), (0, 5), (2, 3)])
def test_up_to_five_of_a_hundred_are_allowed(masked: int, dropped: int) -> None:
    assert refusal(counts(100 - masked - dropped, masked, dropped), 8) is None


def test_up_to_five_of_a_hundred_are_said() -> None:
    (first, *_) = doubts(counts(98, 1, 1), "training data")
    assert "2 of 100 samples (1 without a supervised token, 1 dropped)" in first


def test_a_short_cutoff_is_named_with_the_prompts_length_and_a_longer_one() -> None:
    found = refusal(counts(10, masked=90), 8)
    assert found is not None
    assert "cutoff_len 8 is short" in found.message
    assert "290 tokens" in found.message
    assert found.hint == "Set cutoff_len: 320."


def test_dropped_rows_point_to_the_description_of_the_data() -> None:
    found = refusal(counts(10, dropped=90), 2048)
    assert found is not None
    assert "dataset_info.json" in found.hint


def test_the_proposed_cutoff_leaves_95_of_100_rows_whole() -> None:
    rows = [Sample([1], full_length=100)] * 95 + [Sample([1], full_length=900)] * 5
    assert proposed_cutoff(count(rows, None)) == 128


def test_the_95th_percentile_is_not_exceeded_by_95_of_100() -> None:
    found = spread(list(range(1, 101)))
    assert found is not None
    assert (found.p50, found.p95, found.largest) == (50, 95, 100)


def test_cut_rows_and_empty_answers_are_said() -> None:
    cut = Sample([-100, 7], full_length=9, prompt_length=1, is_cut=True)
    empty = Sample([-100, 2], full_length=2, prompt_length=1, empty_answer=True)
    said = " ".join(doubts(count([GOOD, cut, empty], 3), "training data"))
    assert "1 of 3 samples are cut" in said
    assert "1 of 3 samples have an empty answer" in said


def test_no_samples_are_not_refused_for_a_share() -> None:
    assert refusal(count([], 0), 8) is None
