"""Correcting for many tests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from rdagent.statistics.mcnemar import exact_p
from rdagent.statistics.multiplicity import benjamini_hochberg, holm

#: Few values, so that ties are common.
TIED = st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.05, 0.5, 1.0])
PS = st.lists(st.one_of(TIED, st.floats(0, 1)), min_size=1, max_size=40)


@settings(max_examples=15)  # statsmodels collects garbage each time, which takes long
@given(PS)
def test_holm_is_that_of_statsmodels(ps):
    assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1])


@given(PS)
def test_benjamini_and_hochberg_are_those_of_statsmodels(ps):
    assert benjamini_hochberg(ps) == pytest.approx(multipletests(ps, method="fdr_bh")[1])


@given(PS, st.floats(0.001, 0.2))
def test_holm_rejects_what_the_step_down_procedure_rejects(ps, alpha):
    rejected, left = set(), sorted(range(len(ps)), key=lambda i: ps[i])
    while left and ps[left[0]] * len(left) <= alpha:
        rejected.add(left.pop(0))
    assert {i for i, p in enumerate(holm(ps)) if p <= alpha} == rejected


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_nothing_to_correct_is_no_error_and_one_test_stays_as_it_is(correct):
    assert correct([]) == []
    assert correct([0.03]) == [0.03]


@given(PS)
def test_corrected_values_keep_their_order_and_q_is_never_above_holm(ps):
    adjusted, q = holm(ps), benjamini_hochberg(ps)
    for i, j in zip(range(len(ps)), range(1, len(ps)), strict=False):
        assert (ps[i] <= ps[j]) <= (adjusted[i] <= adjusted[j])
        assert (ps[i] <= ps[j]) <= (q[i] <= q[j])
    for p, q_value, p_holm in zip(ps, q, adjusted, strict=True):
        assert p <= q_value + 1e-15
        assert q_value <= p_holm + 1e-12
        assert p_holm <= 1


def test_eighteen_tasks_without_a_difference_seldom_make_a_report_claim_one():
    sizes = (254, 264, 1000, 20, 29, 20, 20, 20, 21, 76, 62, 41, 20, 54, 31, 44, 23, 300)
    random, claims, naive = np.random.default_rng(18), 0, 0
    for _ in range(300):
        tables = [random.multinomial(n, (0.1, 0.1, 0.8)) for n in sizes]
        ps = [exact_p(int(b), int(c)) for b, c, _ in tables]
        claims += min(holm(ps)) <= 0.05
        naive += min(ps) <= 0.05
    assert claims / 300 <= 0.05
    # What a list of unadjusted p-values would claim.
    assert naive / 300 > 0.2


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(bad):
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.1, bad])
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([bad])
