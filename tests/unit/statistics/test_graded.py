"""The sign-flip test and the interval of graded scores."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test

from rdagent.statistics import graded
from rdagent.statistics.graded import mean_interval, sign_flip_p

SCORES = st.integers(-20, 20).map(lambda k: k / 20)


def drawn(seed, n, share=1.0):
    random = np.random.default_rng(seed)
    return np.where(random.random(n) < share, random.normal(0.05, 0.3, n), 0.0).tolist()


def scipy_p(differences, resamples):
    return permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=resamples,
        vectorized=True,
        rng=np.random.default_rng(1),
    ).pvalue


@pytest.mark.parametrize("n", range(2, 11))
def test_few_differences_are_tested_exactly_as_scipy_does(n):
    for seed in range(3):
        differences = drawn(seed, n)
        assert sign_flip_p(differences, 0) == pytest.approx(scipy_p(differences, np.inf))


@given(st.lists(SCORES, min_size=1, max_size=8))
def test_equal_sums_are_ties_whatever_the_last_digits_say(differences):
    twentieths = [round(20 * d) for d in differences]
    flips = itertools.product((1, -1), repeat=len(twentieths))
    sums = [abs(sum(s * t for s, t in zip(flip, twentieths, strict=True))) for flip in flips]
    expected = np.mean([each >= abs(sum(twentieths)) for each in sums])
    assert sign_flip_p(differences, 0) == expected


@pytest.mark.parametrize("seed", range(3))
def test_many_differences_are_drawn_as_scipy_does(seed):
    differences = drawn(seed, 60)
    expected = scipy_p(differences, 9999)
    error = (expected * (1 - expected) / 5000) ** 0.5
    assert sign_flip_p(differences, seed) == pytest.approx(expected, abs=4 * error + 1e-3)


def test_drawing_and_trying_all_ways_agree(monkeypatch):
    differences = drawn(3, 13)
    exact = sign_flip_p(differences, 0)
    monkeypatch.setattr(graded, "ENUMERATED", 0)
    assert sign_flip_p(differences, 0, draws=40_000) == pytest.approx(exact, abs=0.01)


def test_drawn_signs_are_fair_and_do_not_hang_together():
    sums = graded._drawn_sums(np.ones(19), 5, 50_000)
    assert abs(sums.mean()) < 0.1
    assert sums.var() == pytest.approx(19, rel=0.03)
    assert set(np.unique(sums) % 2) == {1.0}


def test_a_drawn_p_value_is_never_zero():
    assert sign_flip_p([0.5] * 100, 0, draws=999) == 1 / 1000


def test_items_that_score_alike_do_not_count():
    differences = drawn(1, 12)
    assert sign_flip_p(differences + [0.0] * 500, 0) == sign_flip_p(differences, 0)
    assert sign_flip_p([0.0] * 5, 0) == sign_flip_p([], 0) == 1.0


def test_noise_in_the_last_digit_is_no_difference():
    assert sign_flip_p([0.3 - 0.1 - 0.2] * 20, 0) == 1.0


@pytest.mark.parametrize("n", [9, 50])
def test_neither_the_order_of_items_nor_that_of_models_changes_p(n):
    differences = drawn(4, n)
    p = sign_flip_p(differences, 7)
    assert sign_flip_p(differences[::-1], 7) == p
    assert sign_flip_p([-d for d in differences], 7) == p


def test_the_seed_decides_what_is_drawn():
    differences = drawn(5, 40)
    assert sign_flip_p(differences, 1) == sign_flip_p(differences, 1)
    assert len({sign_flip_p(differences, seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        sign_flip_p([0.1, bad], 0)
    with pytest.raises(ValueError, match="finite"):
        mean_interval([0.1, bad], 0)


@given(st.lists(SCORES, min_size=1, max_size=40))
def test_the_interval_holds_the_mean_has_a_width_and_mirrors(differences):
    found = mean_interval(differences, 3, draws=200)
    assert found.low <= np.mean(differences) <= found.high
    assert found.high - found.low > 0.01
    other = mean_interval([-d for d in differences], 3, draws=200)
    assert (found.low, found.high) == pytest.approx((-other.high, -other.low))


def test_the_order_of_items_does_not_change_the_interval():
    differences = drawn(7, 40)
    assert mean_interval(differences[::-1], 3) == mean_interval(differences, 3)


def test_the_interval_is_never_narrower_than_students():
    differences = drawn(6, 25)
    half = 2.0639 * np.std(differences, ddof=1) / 5
    found = mean_interval(differences, 0)
    assert found.low <= np.mean(differences) - half + 1e-4
    assert found.high >= np.mean(differences) + half - 1e-4


def test_a_long_tail_stretches_the_interval_to_its_side():
    differences = np.random.default_rng(2).exponential(0.1, 40)
    found = mean_interval(differences.tolist(), 0)
    mean = differences.mean()
    assert found.high - mean > 1.15 * (mean - found.low)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.6 - 0.5, 1.0])
def test_equal_differences_leave_room_for_what_was_not_seen(value):
    found = mean_interval([value] * 99 + [0.3 - 0.2 if value == 0.1 else value], 0)
    assert found.low < value - 0.02
    assert found.high >= min(1.0, value + 0.02)


def test_few_changed_items_leave_as_much_room_as_right_and_wrong_do():
    found = mean_interval([0.0] * 200 + [1.0] * 3 + [-1.0], 0)
    expected = graded.score_interval(1, 3, 204)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_room_for_what_was_not_seen_grows_with_the_span():
    narrow, wide = (mean_interval([0.0] * 50, 0, span=span) for span in (1.0, 100.0))
    assert wide.high == pytest.approx(100 * narrow.high)
    assert mean_interval([40.0] * 50, 0).high == 40.0


def test_one_difference_has_an_interval_and_none_has_not():
    found = mean_interval([0.5], 0)
    assert found.low < 0.5 < found.high
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([], 0)


@pytest.mark.parametrize(("n", "least", "most"), [(20, 0.94, 1.0), (300, 0.925, 0.975)])
def test_the_true_mean_is_outside_about_as_often_as_said(n, least, most):
    random = np.random.default_rng(n)
    held = 0
    for seed in range(400):
        skewed = np.where(random.random(n) < 0.5, random.beta(2, 5, n) - 2 / 7, 0.0)
        found = mean_interval(skewed.tolist(), seed, draws=500)
        held += found.low <= 0 <= found.high
    assert least <= held / 400 <= most


def test_200_000_items_take_little_memory():
    import tracemalloc

    differences = drawn(8, 200_000)
    tracemalloc.start()
    sign_flip_p(differences, 0, draws=1_000)
    mean_interval(differences, 0, draws=20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150_000_000
