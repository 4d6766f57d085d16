"""The interval for the difference of two shares of the same items."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from rdagent.statistics import proportions
from rdagent.statistics.proportions import paired_interval, score_interval


@st.composite
def tables(draw, most=2000):
    n = draw(st.integers(1, most))
    b = draw(st.integers(0, n))
    return b, draw(st.integers(0, n - b)), n


@pytest.mark.parametrize(
    ("b", "c", "n", "confidence", "low", "high"),
    [
        # Airway reactivity before and after stem cell transplantation: Fagerland, Lydersen
        # and Laake, Statistics in Medicine 33 (2014).
        (7, 1, 21, 0.95, -0.517, -0.026),
        # PropCIs::scoreci.mp(25, 28, 618, 0.90) of R.
        (25, 28, 618, 0.90, -0.0148, 0.0247),
    ],
)
def test_without_the_correction_it_is_tangos_as_published(
    monkeypatch, b, c, n, confidence, low, high
):
    monkeypatch.setattr(proportions, "CORRECTION", 0.0)
    found = paired_interval(b, c, n, confidence)
    digits = len(str(low).split(".")[1])
    assert (round(found.low, digits), round(found.high, digits)) == (low, high)


@given(tables(most=300), st.floats(-0.95, 0.95))
def test_the_variance_is_that_at_the_likeliest_shares_with_the_difference(table, difference):
    b, c, n = table

    def unlikely(loses):
        wins = loses + difference
        pairs = ((b, loses), (c, wins), (n - b - c, 1 - loses - wins))
        return -sum(count * math.log(max(share, 1e-300)) for count, share in pairs if count)

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    best = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x
    expected = 2 * best + difference - difference**2
    assert proportions._variance(b, c, n, difference) / n == pytest.approx(expected, abs=2e-4)


@given(tables())
def test_it_holds_the_estimate_and_stays_within_minus_one_and_one(table):
    b, c, n = table
    found = paired_interval(b, c, n)
    assert -1 <= found.low <= (c - b) / n <= found.high <= 1


@given(tables())
def test_it_has_a_width_whatever_was_seen(table):
    b, c, n = table
    found = paired_interval(b, c, n)
    assert found.high - found.low > 1 / n


@given(tables())
def test_swapping_the_models_mirrors_it(table):
    b, c, n = table
    found, other = paired_interval(b, c, n), paired_interval(c, b, n)
    assert (found.low, found.high) == (-other.high, -other.low)


@given(tables(), st.floats(0.5, 0.98))
def test_more_confidence_is_never_narrower(table, confidence):
    found, wider = paired_interval(*table, confidence), paired_interval(*table, confidence + 0.01)
    assert wider.low <= found.low <= found.high <= wider.high


@given(tables())
def test_a_further_win_never_lowers_an_end(table):
    b, c, n = table
    if b + c < n:
        before, after = paired_interval(b, c, n), paired_interval(b, c + 1, n)
        assert before.low <= after.low + 1e-12
        assert before.high <= after.high + 1e-12


def test_no_disagreement_among_n_items_leaves_room_for_about_four():
    found = paired_interval(0, 0, 1000)
    assert found.low == -found.high
    assert 3.8 / 1000 < found.high < 4.5 / 1000


@pytest.mark.parametrize(("b", "c", "end"), [(9, 0, "low"), (0, 9, "high")])
def test_when_one_model_wins_every_item_the_end_is_one(b, c, end):
    assert abs(getattr(paired_interval(b, c, 9), end)) == 1.0


def test_a_single_item_tells_next_to_nothing():
    assert paired_interval(0, 1, 1).low < -0.6
    assert paired_interval(0, 0, 1).high > 0.8


def test_ten_million_items_are_no_harder():
    found = paired_interval(1_000_000, 1_010_000, 10_000_000)
    half = 1.959964 * math.sqrt(2_010_000) / 10_000_000
    assert found.low == pytest.approx(0.001 - half, rel=1e-3)
    assert found.high == pytest.approx(0.001 + half, rel=1e-3)


def test_parts_of_items_are_counted_like_items():
    whole, parts = paired_interval(3, 8, 50), score_interval(3.0, 8.0, 50)
    assert whole == parts
    assert whole.low < score_interval(3.0, 8.5, 50).low


def coverage(n, disagreement, effect):
    """Add up the chances of the tables whose interval holds the true difference."""
    loses, wins = (disagreement - effect) / 2, (disagreement + effect) / 2
    covered = 0.0
    for b in range(int(binom.ppf(1e-5, n, loses)), int(binom.isf(1e-5, n, loses)) + 1):
        given_b = binom(n - b, wins / (1 - loses))
        for c in range(int(given_b.ppf(1e-5)), int(given_b.isf(1e-5)) + 1):
            found = paired_interval(b, c, n)
            if found.low <= effect <= found.high:
                covered += binom.pmf(b, n, loses) * given_b.pmf(c)
    return covered


# The first four are among those where Tango's interval alone is under 94 %.
@pytest.mark.parametrize(
    ("n", "disagreement", "effect"),
    [(30, 0.3, 0.3), (68, 0.25, 0.25), (95, 0.07, 0.05), (110, 0.05, 0.05), (20, 0.5, 0.2)],
)
def test_in_few_items_the_true_difference_is_inside_at_least_94_percent(n, disagreement, effect):
    assert coverage(n, disagreement, effect) >= 0.94


@pytest.mark.parametrize(("disagreement", "effect"), [(0.05, 0.0), (0.1, 0.1), (0.2, 0.05)])
def test_from_300_items_it_is_inside_no_more_than_96_and_a_half(disagreement, effect):
    assert 0.94 <= coverage(300, disagreement, effect) <= 0.965


@pytest.mark.parametrize("table", [(0, 0, 0), (-1, 0, 5), (0, -1, 5), (3, 3, 5)])
def test_counts_that_cannot_be_are_refused(table):
    with pytest.raises(ValueError, match="no counts"):
        paired_interval(*table)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_that_cannot_be_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        paired_interval(1, 2, 9, confidence)
