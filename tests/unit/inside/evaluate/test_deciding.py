"""When a unit is decided, and on how many documents its scores then stand."""

import pytest

from rdagent.inside.evaluate.deciding import Contest
from rdagent.inside.evaluate.order import Unit

#: So many disagreements in one direction are enough at a level of 5 %: 2^8 / 9 > 20 > 2^7 / 8.
ENOUGH = 8


def unit(count=100, tasks=("t",)):
    items = tuple((tasks[number % len(tasks)], number) for number in range(count))
    return Unit("u", tasks, items, (count,))


def contest(adapters=("a",), alpha=0.05, **options):
    return Contest(unit(**options), adapters, alpha)


def feed(one, count, base, **adapters):
    """Give documents until they are no longer wanted; returns how many were taken."""
    for place in range(count):
        if not one.open:
            return place
        one.add(base=base, adapters=adapters)
    return count


@pytest.mark.parametrize(("base", "a"), [(False, "improved"), (True, "regressed")])
def test_it_ends_at_the_document_that_decides_it(base, a):
    one = contest()
    assert feed(one, 50, base, a=not base) == ENOUGH
    verdict = one.outcome("m").adapters["a"]
    assert (verdict.decision, verdict.decided_at) == (a, ENOUGH)
    assert (verdict.b, verdict.c) == ((ENOUGH, 0) if base else (0, ENOUGH))
    assert verdict.e == pytest.approx(2**8 / 9)
    assert verdict.p == pytest.approx(9 / 2**8)
    assert (one.answered(), one.outcome("m").stopped) == (ENOUGH, True)


def test_documents_on_which_both_agree_decide_nothing():
    one = contest()
    assert feed(one, 200, True, a=True) == 100
    task = one.outcome("m")
    assert (task.answered, task.stopped) == (100, False)
    assert (task.adapters["a"].decision, task.adapters["a"].decided_at) == (None, None)
    assert task.adapters["a"].p == 1


def test_a_smaller_share_of_the_level_takes_more():
    assert feed(contest(alpha=0.05 / 18), 100, False, a=True) > ENOUGH


def test_it_goes_on_until_every_adapter_is_decided():
    one = contest(("a", "b"))
    assert feed(one, 10, False, a=True, b=False) == 10
    assert feed(one, 90, False, a=True, b=True) == ENOUGH
    a, b = one.outcome("m").adapters.values()
    assert (a.decided_at, b.decided_at) == (ENOUGH, 10 + ENOUGH)
    assert one.answered() == 10 + ENOUGH


def test_what_is_decided_stays_decided():
    one = contest(("a", "b"))
    feed(one, ENOUGH, False, a=True, b=False)
    feed(one, ENOUGH, True, a=False, b=True)
    verdict = one.outcome("m").adapters["a"]
    assert (verdict.b, verdict.c, verdict.decision) == (8, 8, "improved")
    assert verdict.e < 20
    assert verdict.p == pytest.approx(9 / 2**8)


def test_an_adapter_that_fell_out_is_not_waited_for():
    one = contest(("a", "b"))
    feed(one, ENOUGH, False, a=True, b=False)
    one.drop("b")
    assert not one.open
    assert list(one.outcome("m").adapters) == ["a"]


def test_a_group_goes_on_until_each_of_its_tasks_has_a_document():
    items = (*(("large", number) for number in range(50)), ("small", 0), ("large", 50))
    one = Contest(Unit("g", ("large", "small"), items, (52,)), ["a"], 0.05)
    assert feed(one, 52, False, a=True) == 51
    assert one.outcome("m").adapters["a"].decided_at == ENOUGH


def test_what_is_not_right_or_wrong_is_answered_in_full_and_says_why():
    one = contest()
    feed(one, 3, False, a=True)
    one.give_up("f1 of an item is 0.3")
    assert (one.open, one.decidable, one.answered()) == (True, False, 100)
    task = one.outcome("f1")
    assert (task.why_not, task.metric, dict(task.adapters)) == ("f1 of an item is 0.3", None, {})
