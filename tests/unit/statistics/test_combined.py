"""The interval of a weighted mean over tasks."""

import math

import numpy as np
import pytest

from rdagent.statistics.combined import Part, Table, weighted
from rdagent.statistics.interval import Interval
from rdagent.statistics.proportions import paired_interval


def part(b, c, n):
    return Part((c - b) / n, paired_interval(b, c, n))


def known(b, c, n):
    return Part((c - b) / n, paired_interval(b, c, n), Table(b, c, n))


def test_equal_parts_shrink_as_the_root_of_their_number():
    one = Part(0.1, Interval(0.0, 0.2))
    found = weighted([one] * 4, [1] * 4)
    assert (found.low, found.high) == pytest.approx((0.05, 0.15))


def test_a_lopsided_part_makes_a_lopsided_mean():
    parts = [Part(0.0, Interval(-0.1, 0.3)), Part(0.0, Interval(-0.1, 0.1))]
    found = weighted(parts, [1, 1])
    assert found.low == pytest.approx(-math.hypot(0.05, 0.05))
    assert found.high == pytest.approx(math.hypot(0.15, 0.05))


@pytest.mark.parametrize("made", [part, known])
def test_a_single_part_is_itself(made):
    found = weighted([made(3, 8, 50)], [50])
    expected = paired_interval(3, 8, 50)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_tasks_without_a_disagreement_do_not_shrink_the_mean_to_a_point():
    assert weighted([part(0, 0, 20)] * 5, [1] * 5).high > 0.05
    # With their tables known they say what a hundred items would.
    pooled = paired_interval(0, 0, 100)
    assert weighted([known(0, 0, 20)] * 5, [1] * 5).high == pytest.approx(pooled.high, rel=0.05)


def test_many_large_tasks_are_combined_as_normal_errors_are():
    tables = [(100, 140, 1000), (180, 160, 2000), (20, 60, 500)]
    weights = [1, 2, 1]
    variance = sum(
        (w / 4) ** 2 * (b + c - (c - b) ** 2 / n) / n**2
        for (b, c, n), w in zip(tables, weights, strict=True)
    )
    found = weighted([known(*table) for table in tables], weights)
    assert found.high - found.low == pytest.approx(2 * 1.959964 * variance**0.5, rel=0.01)


def test_swapping_the_models_mirrors_it():
    tables = [(3, 8, 50), (0, 4, 20), (30, 31, 300)]
    found = weighted([known(b, c, n) for b, c, n in tables], [1, 2, 3])
    other = weighted([known(c, b, n) for b, c, n in tables], [1, 2, 3])
    assert (found.low, found.high) == pytest.approx((-other.high, -other.low))


def test_intervals_without_a_width_have_a_mean_without_one():
    point = Part(0.25, Interval(0.25, 0.25))
    assert weighted([point, point], [1, 1]) == Interval(0.25, 0.25)


def test_weights_need_not_add_up_to_one():
    parts = [part(3, 8, 50), part(0, 4, 100)]
    assert weighted(parts, [50, 100]) == weighted(parts, [1, 2])
    mean = (50 * 0.1 + 100 * 0.04) / 150
    assert weighted(parts, [50, 100]).low < mean < weighted(parts, [50, 100]).high


@pytest.mark.parametrize("weights", [[], [1], [0, 0], [2, -1], [1, 1, 1]])
def test_weights_that_make_no_mean_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        weighted([part(1, 2, 9), part(1, 2, 9)], weights)


@pytest.mark.parametrize(("made", "most"), [(known, 0.975), (part, 1.0)])
def test_the_true_mean_is_outside_about_as_often_as_said(made, most):
    random = np.random.default_rng(1)
    sizes, held = (20, 20, 30, 60, 250), 0
    for _ in range(400):
        tables = [random.multinomial(n, (0.07, 0.13, 0.8)) for n in sizes]
        parts = [made(int(b), int(c), n) for (b, c, _), n in zip(tables, sizes, strict=True)]
        found = weighted(parts, [1] * len(sizes))
        held += found.low <= 0.06 <= found.high
    assert 0.925 <= held / 400 <= most
