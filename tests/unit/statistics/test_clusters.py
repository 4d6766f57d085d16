"""Differences of items that hang together."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from rdagent.statistics.clusters import clustered
from rdagent.statistics.graded import sign_flip_p


def drawn(seed, sizes):
    random = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(sizes)), sizes)
    values = random.normal(0.05, 0.1, len(sizes))[of] + random.normal(0, 0.2, of.size)
    return values, of


def regression(values, of):
    return sm.OLS(values, np.ones_like(values)).fit(
        cov_type="cluster", cov_kwds={"groups": of}, use_t=True
    )


@pytest.mark.parametrize("seed", range(4))
def test_with_clusters_of_one_size_everything_is_as_in_statsmodels(seed):
    values, of = drawn(seed, [4] * 40)
    found, expected = clustered(values.tolist(), of.tolist(), 0), regression(values, of)
    assert found.mean == pytest.approx(expected.params[0])
    assert found.se == pytest.approx(expected.bse[0])
    assert found.p == pytest.approx(expected.pvalues[0])
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(expected.conf_int()[0]))
    assert (found.df, found.clusters, found.test) == (39, 40, "cluster-robust t")


@pytest.mark.parametrize("seed", range(4))
def test_with_clusters_of_several_sizes_the_error_is_and_the_interval_is_no_narrower(seed):
    values, of = drawn(seed, list(range(1, 41)))
    found, expected = clustered(values.tolist(), of.tolist(), 0), regression(values, of)
    assert found.se == pytest.approx(expected.bse[0])
    assert found.p >= expected.pvalues[0]
    low, high = expected.conf_int()[0]
    assert found.interval.low < low < high < found.interval.high
    assert found.df < 39


def test_the_interval_rests_on_leaving_out_one_cluster_at_a_time():
    values, of = drawn(5, list(range(1, 31)))
    found = clustered(values.tolist(), of.tolist(), 0)
    without = np.array([values[of != cluster].mean() for cluster in range(30)])
    error = math.sqrt(29 / 30 * ((without - values.mean()) ** 2).sum())
    # As many clusters as would tell as much, were they of one size.
    assert found.df == pytest.approx(465**2 / sum(k * k for k in range(1, 31)) - 1)
    half = t(found.df).ppf(0.975) * error
    assert found.interval.high - found.interval.low == pytest.approx(2 * half)


def test_items_that_stand_alone_are_clusters_of_one():
    values, _ = drawn(1, [1] * 50)
    found = clustered(values.tolist(), range(50), 0)
    assert found.se == pytest.approx(values.std(ddof=1) / math.sqrt(50))


def test_copies_of_an_item_add_nothing():
    values, of = drawn(2, [1] * 35)
    once = clustered(values.tolist(), of.tolist(), 0)
    often = clustered(np.repeat(values, 10).tolist(), np.repeat(of, 10).tolist(), 0)
    assert (often.se, often.p) == pytest.approx((once.se, once.p))


def test_few_clusters_are_tested_by_turning_whole_clusters():
    values, of = drawn(3, [5] * 12)
    found = clustered(values.tolist(), of.tolist(), 4)
    assert found.test == "cluster sign-flip"
    assert found.p == sign_flip_p(np.bincount(of, weights=values).tolist(), 4)


def test_one_cluster_has_a_mean_and_no_error():
    found = clustered([0.1, 0.3], ["a", "a"], 0)
    assert found.mean == pytest.approx(0.2)
    assert (found.se, found.interval, found.p, found.clusters) == (None, None, None, 1)


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_clusters_that_are_all_alike_leave_room_for_one_that_is_not(value):
    found = clustered([value] * 120, [i // 3 for i in range(120)], 0)
    assert found.interval.low < value - 0.03 < value + 0.03 < found.interval.high
    assert found.p == (1.0 if value == 0 else pytest.approx(1e-4, rel=0.1))


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 9)), min_size=2, max_size=40))
def test_swapping_the_models_mirrors_and_the_order_of_items_is_nothing(pairs):
    values, of = [value / 4 for value, _ in pairs], [cluster for _, cluster in pairs]
    found = clustered(values, of, 0)
    other = clustered([-value for value in values[::-1]], of[::-1], 0)
    assert found.mean == pytest.approx(-other.mean)
    assert found.p == pytest.approx(other.p)
    if found.interval:
        assert found.interval.low <= found.mean <= found.interval.high
        mirrored = (-other.interval.high, -other.interval.low)
        assert (found.interval.low, found.interval.high) == pytest.approx(mirrored)


@pytest.mark.parametrize(("values", "of"), [([], []), ([0.1], []), ([0.1], ["a", "b"])])
def test_every_difference_needs_its_cluster(values, of):
    with pytest.raises(ValueError, match="clusters"):
        clustered(values, of, 0)


@pytest.mark.parametrize("count", [12, 40])
def test_clusters_of_several_sizes_are_wrong_about_as_often_as_said(count):
    random = np.random.default_rng(count)
    held = claims = 0
    for seed in range(400):
        of = np.repeat(np.arange(count), random.integers(1, 16, count))
        values = random.normal(0, 0.1, count)[of] + random.normal(0, 0.2, of.size)
        found = clustered(values.tolist(), of.tolist(), seed)
        held += found.interval.low <= 0 <= found.interval.high
        claims += found.p <= 0.05
    assert 0.92 <= held / 400 <= 0.98
    assert claims / 400 <= 0.08
