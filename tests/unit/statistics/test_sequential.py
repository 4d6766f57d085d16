"""The test that may be stopped at any time."""

import ast
import math
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from rdagent.statistics import interval, sequential
from rdagent.statistics.sequential import Sequential, e_value

WINS = st.lists(st.booleans(), max_size=60)


def fed(wins, alpha=0.05):
    test = Sequential(alpha)
    for candidate in wins:
        test.add(not candidate, candidate)
    return test


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 7), (3, 9), (12, 12), (30, 5)])
def test_the_evidence_is_the_likelihood_averaged_over_all_shares(b, c):
    averaged, _ = quad(lambda share: share**c * (1 - share) ** b, 0, 1)
    assert e_value(b, c) == pytest.approx(averaged / 0.5 ** (b + c))
    assert e_value(b, c) == pytest.approx(2 ** (b + c) / ((b + c + 1) * math.comb(b + c, b)))


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_fair_coin_never_expects_to_gain(b, c):
    ahead = (e_value(b + 1, c) + e_value(b, c + 1)) / 2
    assert ahead == pytest.approx(e_value(b, c))


@given(st.integers(0, 500), st.integers(0, 500))
def test_swapping_the_models_changes_nothing(b, c):
    assert e_value(b, c) == e_value(c, b)


def test_evidence_beyond_the_largest_float_stays_a_number():
    assert e_value(0, 5000) == pytest.approx(sys.float_info.max)
    assert fed([True] * 3000).p >= 0


def test_eight_wins_in_a_row_decide_at_five_percent_and_seven_do_not():
    assert fed([True] * 7).decided is None
    assert fed([True] * 8).decided == "improved"
    assert fed([False] * 8).decided == "regressed"
    assert e_value(0, 7) < 20 <= e_value(0, 8)


def test_items_on_which_both_agree_count_and_say_nothing():
    test = Sequential()
    for _ in range(50):
        test.add(True, True)
        test.add(False, False)
    assert (test.n, test.b, test.c, test.e, test.p, test.decided) == (100, 0, 0, 1.0, 1.0, None)


def test_b_is_the_base_alone_and_c_the_candidate_alone():
    test = Sequential()
    test.add(True, False)
    test.add(False, True)
    test.add(False, True)
    assert (test.b, test.c, test.n) == (1, 2, 3)


@given(WINS)
def test_p_is_one_over_the_most_evidence_and_never_rises(wins):
    test, before, most = Sequential(), 1.0, 1.0
    for candidate in wins:
        test.add(not candidate, candidate)
        most = max(most, test.e)
        assert 0 <= test.p <= before
        assert test.p == pytest.approx(1 / most)
        before = test.p


def test_what_was_decided_stays_decided():
    test = fed([True] * 9)
    for _ in range(60):
        test.add(True, False)
    assert test.decided == "improved"
    assert test.b > test.c


@given(WINS, st.floats(0.01, 0.3))
def test_it_is_decided_exactly_when_p_reaches_the_level(wins, alpha):
    test = fed(wins, alpha)
    assert (test.decided is not None) == (test.p <= alpha * (1 + 1e-12))


@given(WINS.filter(bool))
def test_the_interval_holds_the_share_of_wins_and_a_half_unless_the_evidence_suffices(wins):
    test = fed(wins)
    found = test.interval()
    assert 0 <= found.low < test.c / (test.b + test.c) + 1e-12
    assert test.c / (test.b + test.c) - 1e-12 < found.high <= 1
    assert (found.low <= 0.5 <= found.high) == (test.e < 20)


def test_without_a_disagreement_any_share_is_possible():
    assert Sequential().interval() == interval.Interval(0.0, 1.0)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 5])
def test_a_level_that_cannot_be_is_refused(alpha):
    with pytest.raises(ValueError, match="level"):
        Sequential(alpha)


def test_models_that_are_alike_are_seldom_told_apart_however_often_one_looks():
    draw, stopped = random.Random(20), 0
    for _ in range(400):
        stopped += fed([draw.random() < 0.5 for _ in range(250)]).decided is not None
    assert stopped / 400 <= 0.05


def test_the_true_share_seldom_ever_leaves_the_interval():
    draw, left = random.Random(21), 0
    for _ in range(200):
        test, out = Sequential(), False
        for item in range(120):
            wins = draw.random() < 0.7
            test.add(not wins, wins)
            if item % 4 == 0:
                found = test.interval()
                out = out or not found.low <= 0.7 <= found.high
        left += out
    assert left / 200 <= 0.07


def test_fourteen_points_are_found_with_a_small_part_of_the_items():
    draw, items = random.Random(22), []
    for _ in range(150):
        test = Sequential()
        while test.decided is None and test.n < 1319:
            value = draw.random()
            test.add(value < 0.06, value > 0.8)
        assert test.decided == "improved"
        items.append(test.n)
    assert sorted(items)[75] < 0.15 * 1319


@pytest.mark.parametrize("module", [sequential, interval])
def test_it_needs_nothing_that_an_image_may_lack(module):
    tree = ast.parse(Path(module.__file__).read_text())
    names = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    own = "rdagent.statistics.interval"
    assert [n for n in names if n != own and n.split(".")[0] not in sys.stdlib_module_names] == []
