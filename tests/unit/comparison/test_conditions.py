"""``--fail-on`` and the exit codes."""

from dataclasses import replace

import pytest

from rdagent.comparison.conditions import exit_code, read_conditions
from rdagent.comparison.report import Overall, Settings
from rdagent.errors import UsageError
from tests.unit.comparison.sample_report import sample_report


def report_of(verdict, rows=(), settings=None, **changes):
    report = sample_report(**changes)
    (one,) = report.candidates
    kept = tuple(row for row in one.tasks if row.verdict in rows)
    one = replace(one, tasks=kept, overall=Overall(verdict, ""))
    return replace(report, candidates=(one,), settings=settings or Settings())


def test_nothing_that_fell_ends_with_0():
    assert exit_code(report_of("improved", ["improved"]), ("regression",)) == 0


def test_a_regression_ends_with_1_unless_it_was_not_asked_for():
    report = report_of("mixed", ["improved", "regressed"])
    assert exit_code(report, ("regression",)) == 1
    assert exit_code(report, ()) == 0


def test_where_tasks_were_named_only_those_count():
    report = report_of("improved", ["improved", "regressed"], Settings(targets=("gsm8k",)))
    assert exit_code(report, ("regression",)) == 0


@pytest.mark.parametrize("verdict", ["inconclusive", "untested"])
def test_inconclusive_ends_with_3_only_where_that_was_asked_for(verdict):
    report = report_of(verdict)
    assert exit_code(report, ("regression",)) == 0
    assert exit_code(report, ("regression", "inconclusive")) == 3


def test_a_regression_goes_before_inconclusive():
    report = report_of("inconclusive", ["regressed"])
    assert exit_code(report, ("regression", "inconclusive")) == 1


def test_what_is_not_comparable_ends_with_4_whatever_is_asked_for():
    report = replace(report_of("not comparable", forced=True), forced=False)
    assert exit_code(report, ()) == 4


def test_what_was_forced_is_judged_by_its_numbers():
    assert exit_code(report_of("improved", ["improved"], forced=True), ("regression",)) == 0


def test_a_warning_ends_with_1_where_that_was_asked_for():
    assert exit_code(report_of("improved"), ("warning",)) == 1


def test_conditions_are_read_in_any_order():
    assert read_conditions("inconclusive, regression") == ("regression", "inconclusive")
    assert read_conditions("none") == ()


def test_an_unknown_condition_is_refused_with_the_known_ones():
    with pytest.raises(UsageError) as refused:
        read_conditions("regresion")
    assert "regression" in refused.value.hint
