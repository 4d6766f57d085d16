"""What a comparison of so many items would find."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdagent.statistics import detectable
from rdagent.statistics.detectable import (
    achieved,
    achieved_graded,
    most_losses,
    needed,
    planned,
    power_of,
    unpaired,
)
from rdagent.statistics.graded import sign_flip_p
from rdagent.statistics.mcnemar import exact_p


def found(n, disagreement, effect, times=4000):
    """Simulate how often the exact test finds the better model."""
    share = max(disagreement, effect)
    chances = ((share - effect) / 2, (share + effect) / 2, 1 - share)
    tables = np.random.default_rng(n).multinomial(n, chances, size=times)
    kinds, counts = np.unique(tables[:, :2], axis=0, return_counts=True)
    right = [b < c and exact_p(int(b), int(c)) <= 0.05 for b, c in kinds]
    return float(counts[right].sum() / times)


@pytest.mark.parametrize("n", [20, 50, 100, 264, 1319, 14042])
@pytest.mark.parametrize("disagreement", [0.1, 0.2])
def test_what_is_called_detectable_is_found_four_times_in_five(n, disagreement):
    assert found(n, disagreement, planned(n, disagreement)) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("b", "c", "n"), [(3, 9, 60), (20, 20, 200), (0, 0, 300), (1, 0, 100)])
def test_so_is_what_was_achieved(b, c, n):
    assert found(n, (b + c) / n, achieved(b, c, n)) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_the_losses_allowed_are_those_of_the_exact_test(alpha):
    m = np.arange(250)
    for total, most in zip(m.tolist(), most_losses(m, alpha).tolist(), strict=True):
        assert most < 0 or exact_p(int(most), int(total - most)) <= alpha
        assert exact_p(int(most) + 1, max(0, int(total - most) - 1)) > alpha


def test_for_many_items_it_is_the_formula_of_the_textbook():
    quantiles = 1.959964 + 0.841621
    assert planned(200_000, 0.2) == pytest.approx(quantiles * math.sqrt(0.2 / 200_000), rel=0.01)
    assert planned(500, 0.2) == pytest.approx(0.05603, rel=0.03)
    assert planned(500, 0.2) > 0.05603


def test_ten_items_find_only_what_wins_at_least_six_of_them():
    assert planned(10) == pytest.approx(0.673, abs=0.001)
    chance = sum(math.comb(10, k) * 0.673**k * 0.327 ** (10 - k) for k in range(6, 11))
    assert chance == pytest.approx(0.8, abs=0.002)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_five_items_find_nothing(n):
    assert planned(n) == 1.0
    assert achieved(0, 0, n) is None
    assert achieved_graded(0.3, n) is None


def test_without_disagreement_no_more_is_promised_than_six_wins_would_show():
    assert achieved(0, 0, 1000) == pytest.approx(7.9 / 1000, rel=0.01)
    assert achieved(2, 1, 1000) == pytest.approx(7.9 / 1000, rel=0.03)
    # The most disagreement that none among 1000 leaves room for, at 95 %.
    assert achieved(0, 0, 1000) > 1 - 0.05 ** (1 / 1000)


@settings(max_examples=25)
@given(st.integers(6, 3000), st.floats(0.01, 0.6))
def test_more_items_detect_less_and_more_disagreement_hides_more(n, disagreement):
    assert planned(2 * n, disagreement) < planned(n, disagreement)
    assert planned(n, min(1.0, 1.5 * disagreement)) >= planned(n, disagreement) - 1e-3


@pytest.mark.parametrize(
    ("effect", "disagreement"), [(0.05, 0.2), (0.02, 0.1), (0.3, 0.2), (1, 0.2)]
)
def test_the_items_needed_find_it_and_one_fewer_does_not(effect, disagreement):
    n, share = needed(effect, disagreement), max(effect, disagreement)
    assert power_of(n, share, effect) >= 0.8 > power_of(n - 1, share, effect)


@settings(max_examples=25)
@given(st.floats(0.01, 0.5))
def test_items_needed_and_difference_planned_are_each_others_inverse(effect):
    assert planned(needed(effect)) <= effect + 1e-6


@pytest.mark.parametrize("effect", [0, -0.1, 1.1])
def test_a_difference_that_cannot_be_needs_no_items(effect):
    with pytest.raises(ValueError, match="above 0"):
        needed(effect)


@pytest.mark.parametrize("n", [20, 100])
def test_a_graded_difference_called_detectable_is_found_four_times_in_five(n):
    random, effect = np.random.default_rng(n), achieved_graded(0.3, n)
    drawn = random.normal(effect, 0.3, (500, n)).tolist()
    hits = sum(sign_flip_p(each, seed, draws=1000) <= 0.05 for seed, each in enumerate(drawn))
    assert hits / 500 == pytest.approx(0.8, abs=0.055)


def test_graded_scores_that_were_all_equal_promise_no_more_than_right_and_wrong():
    assert achieved_graded(0.0, 1000) == achieved(0, 0, 1000)


def test_two_separate_runs_are_judged_at_worst():
    # (1.96 + 0.8416) * sqrt(0.5 / 500)
    assert unpaired(500) == pytest.approx(0.08859, abs=1e-4)
    assert unpaired(0) == unpaired(1) == 1.0
    assert unpaired(500) > planned(500)


def test_level_and_power_can_be_chosen():
    assert planned(200, alpha=0.01) > planned(200) > planned(200, power=0.5)
    assert detectable.power_of(200, 0.2, planned(200, power=0.5)) == pytest.approx(0.5, abs=1e-3)
