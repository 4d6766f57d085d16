"""McNemar's exact test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar

from rdagent.statistics.mcnemar import exact_p

COUNTS = st.integers(0, 5000)


def tables():
    """200 tables of disagreements: ties, empty sides and none at all among them."""
    random = np.random.default_rng(200)
    drawn = random.integers(0, 60, size=(160, 2)).tolist()
    tied = [[k, k] for k in random.integers(1, 80, 20).tolist()]
    one_sided = [[0, k] if k % 2 else [k, 0] for k in range(1, 20)]
    return [*drawn, *tied, *one_sided, [0, 0]]


def test_p_values_are_those_of_statsmodels_and_scipy_on_200_tables():
    assert len(tables()) == 200
    for b, c in tables():
        expected = mcnemar([[7, b], [c, 9]], exact=True).pvalue
        assert exact_p(b, c) == pytest.approx(expected, rel=1e-9)
        if b + c:
            assert exact_p(b, c) == pytest.approx(binomtest(b, b + c).pvalue, rel=1e-9)


def test_without_disagreement_nothing_speaks_against_equality():
    assert exact_p(0, 0) == 1.0


def test_five_disagreements_never_suffice_and_six_do():
    assert exact_p(0, 5) == 0.0625
    assert exact_p(0, 6) == 0.03125


@given(COUNTS, COUNTS)
def test_swapping_the_models_changes_nothing_and_p_is_a_probability(b, c):
    assert 0 <= exact_p(b, c) == exact_p(c, b) <= 1


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_further_win_of_the_better_model_never_raises_p(b, c):
    b, c = sorted((b, c))
    assert exact_p(b, c + 1) <= exact_p(b, c) + 1e-12


@pytest.mark.parametrize(("b", "c"), [(-1, 3), (3, -1)])
def test_a_negative_count_is_refused(b, c):
    with pytest.raises(ValueError, match="not negative"):
        exact_p(b, c)
