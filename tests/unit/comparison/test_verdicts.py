"""From differences to verdicts."""

from dataclasses import replace

import pytest

from rdagent.comparison.report import Settings, TaskComparison
from rdagent.comparison.verdicts import decide, overall

ROW = TaskComparison(
    task="t",
    candidate_name="c",
    metric="acc",
    filter=None,
    higher_is_better=True,
    ratio=True,
    n=1000,
    base=0.5,
    candidate=0.5,
    delta=0.0,
    ci_low=-0.03,
    ci_high=0.03,
    b=50,
    c=50,
    test="mcnemar exact",
    p=1.0,
    p_holm=None,
    q_bh=None,
    mde=0.028,
    mde_planned=0.04,
    verdict="untested",
    reason="",
)
UP = replace(ROW, task="up", delta=0.1, ci_low=0.06, ci_high=0.14, c=150, p=1e-6)
DOWN = replace(ROW, task="down", delta=-0.1, ci_low=-0.14, ci_high=-0.06, b=150, p=1e-6)
SETTINGS = Settings()


def test_items_that_could_not_show_anything_are_underpowered():
    few = replace(ROW, n=5, b=0, c=5, delta=1.0, ci_low=0.1, ci_high=1.0, p=0.0625, mde=None)
    assert verdict_of(few) == "underpowered"


def verdict_of(row, settings=SETTINGS):
    (decided,) = decide([row], settings)
    return decided.verdict


def test_a_significant_gain_is_an_improvement_and_a_loss_a_regression():
    assert verdict_of(UP) == "improved"
    assert verdict_of(DOWN) == "regressed"


def test_where_less_is_better_a_fall_is_an_improvement():
    assert verdict_of(replace(DOWN, higher_is_better=False)) == "improved"
    assert verdict_of(replace(UP, higher_is_better=False)) == "regressed"


def test_a_p_value_that_many_tests_explain_is_no_news():
    rows = [replace(ROW, task=str(number)) for number in range(17)]
    lucky = replace(UP, p=0.01)
    assert verdict_of(lucky) == "improved"
    decided = decide([*rows, lucky], SETTINGS)[-1]
    assert decided.p_holm == pytest.approx(0.18)
    assert decided.verdict == "no evidence"
    assert "among 18 tests" in decided.reason


def test_an_interval_within_the_margin_is_equivalence():
    assert verdict_of(replace(ROW, ci_low=-0.019, ci_high=0.019)) == "equivalent"
    assert verdict_of(replace(ROW, ci_low=-0.021, ci_high=0.019)) == "no evidence"


def test_the_guides_own_example_is_underpowered_and_no_regression():
    chemistry = replace(
        ROW, n=20, base=0.3, candidate=0.25, delta=-0.05, b=2, c=1, mde=0.28, ci_low=-0.2,
        ci_high=0.1,
    )  # fmt: skip
    (decided,) = decide([chemistry], SETTINGS)
    assert decided.verdict == "underpowered"
    assert decided.reason.startswith("1 net item of 20")


def test_a_task_without_a_test_stays_untested_with_its_reason():
    (decided,) = decide([replace(ROW, p=None, reason="the file holds scores alone")], SETTINGS)
    assert decided.verdict == "untested"
    assert decided.reason == "the file holds scores alone"


def test_untested_rows_are_no_part_of_the_family():
    decided = decide([replace(ROW, p=None), replace(UP, p=0.03)], SETTINGS)
    assert decided[1].p_holm == pytest.approx(0.03)


def test_a_score_that_is_no_share_is_never_equivalent_or_underpowered():
    perplexity = replace(ROW, ratio=False, ci_low=-0.001, ci_high=0.001, mde=3.0)
    assert verdict_of(perplexity) == "no evidence"


def whole(rows, settings=SETTINGS, *, fatal=False, forced=False):
    return overall(decide(rows, settings), settings, fatal=fatal, forced=forced).verdict


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([UP, ROW], "improved"),
        ([DOWN, ROW], "regressed"),
        ([UP, DOWN], "mixed"),
        ([ROW], "inconclusive"),
        ([replace(ROW, ci_low=-0.01, ci_high=0.01)], "equivalent"),
        ([replace(ROW, p=None)], "untested"),
        ([], "untested"),
    ],
)
def test_without_named_tasks_the_whole_is_what_its_tasks_are(rows, expected):
    assert whole(rows) == expected


def test_a_fatal_finding_leaves_no_verdict_unless_it_is_overridden():
    assert whole([UP], fatal=True) == "not comparable"
    assert whole([UP], fatal=True, forced=True) == "improved"


TARGET = Settings(targets=("up",))
GUARD = Settings(guards=("kept",))
KEPT = replace(ROW, task="kept", is_guard=True, ci_low=-0.015, ci_high=0.03)


def test_every_target_has_to_improve():
    target = replace(UP, is_target=True)
    assert whole([target, DOWN], TARGET) == "improved"
    assert whole([target, replace(ROW, is_target=True)], TARGET) == "inconclusive"
    assert whole([replace(DOWN, is_target=True)], TARGET) == "regressed"


def test_a_guarded_task_has_to_be_shown_to_stay_within_the_margin():
    target = replace(UP, is_target=True)
    assert whole([KEPT], GUARD) == "equivalent"
    assert whole([target, KEPT], Settings(targets=("up",), guards=("kept",))) == "improved"
    assert whole([replace(KEPT, ci_low=-0.03)], GUARD) == "inconclusive"
    assert whole([replace(ROW, task="other")], GUARD) == "inconclusive"
    assert whole([], GUARD) == "inconclusive"
    assert whole([replace(DOWN, is_guard=True)], GUARD) == "regressed"


def test_a_guarded_task_may_fall_by_less_than_the_margin():
    little = replace(
        ROW,
        task="kept",
        is_guard=True,
        delta=-0.01,
        ci_low=-0.015,
        ci_high=-0.005,
        p=1e-5,
        b=100,
        c=50,
    )
    assert whole([little], GUARD) == "equivalent"
