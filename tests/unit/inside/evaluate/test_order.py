"""The order in which documents are answered where a run may stop."""

from types import SimpleNamespace

import pytest

from rdagent.inside.evaluate.order import parts_of, units_of


def task(name):
    return SimpleNamespace(task_name=name)


def group(name, *tasks, has_aggregation=True):
    leaves = [task(one) for one in tasks]
    return SimpleNamespace(name=name, has_aggregation=has_aggregation, get_all_tasks=lambda: leaves)


def selection(*names, groups=()):
    return SimpleNamespace(
        loaded={"groups": {one.name: one for one in groups}},
        expected={name: (name,) for name in names},
    )


def documents(**counts):
    return [(name, number) for name, count in counts.items() for number in range(count)]


def one_unit(count=100, step=16, seed=1, name="t"):
    (unit,) = units_of(selection(name), documents(**{name: count}), seed, step)
    return unit


def test_every_document_comes_once_and_not_in_its_own_order():
    unit = one_unit()
    assert sorted(unit.items) == documents(t=100)
    assert list(unit.items) != documents(t=100)


def test_the_order_is_that_of_the_seed():
    assert one_unit(seed=1).items == one_unit(seed=1).items != one_unit(seed=2).items


def test_other_tasks_beside_it_leave_a_tasks_order_alone():
    both = units_of(selection("s", "t"), documents(s=7, t=100), 1, 16)
    assert both[1].items == one_unit().items


def test_two_tasks_do_not_go_in_step():
    one, other = units_of(selection("s", "t"), documents(s=50, t=50), 1, 16)
    assert [number for _, number in one.items] != [number for _, number in other.items]


@pytest.mark.parametrize(
    ("count", "step", "looks"),
    [
        (100, 16, (16, 32, 48, 64, 80, 100)),
        (5, 16, (5,)),
        (4, 0, (1, 2, 3, 4)),
        (1000, 100, (100, 200, 300, 400, 500, 625, 781, 976, 1000)),
    ],
)
def test_looks_get_rarer_and_the_last_one_is_at_the_end(count, step, looks):
    assert one_unit(count, step).looks == looks


def test_the_slices_of_all_looks_are_the_whole_order():
    unit = one_unit()
    slices = [unit.slice(look) for look in range(len(unit.looks))]
    assert tuple(item for part in slices for item in part) == unit.items
    assert [len(part) for part in slices] == [16, 16, 16, 16, 16, 20]


def test_a_group_with_a_score_of_its_own_is_decided_on_as_one():
    chosen = selection("g", groups=[group("g", "a", "b")])
    (unit,) = units_of(chosen, documents(a=30, b=30), 1, 16)
    assert (unit.name, unit.tasks) == ("g", ("a", "b"))
    assert {name for name, _ in unit.items[:16]} == {"a", "b"}


def test_of_a_group_without_one_each_task_is():
    chosen = selection("g", groups=[group("g", "a", "b", has_aggregation=False)])
    units = units_of(chosen, documents(a=3, b=3), 1, 16)
    assert [(unit.name, unit.tasks) for unit in units] == [("a", ("a",)), ("b", ("b",))]


def test_a_task_without_documents_is_none():
    assert [one.name for one in units_of(selection("s", "t"), documents(t=3), 1, 16)] == ["t"]


def test_each_document_belongs_to_a_look_of_its_unit():
    units = units_of(selection("s", "t"), documents(s=10, t=40), 1, 16)
    parts = parts_of(units)
    assert {parts[item] for item in units[0].items} == {(0, 0)}
    assert [parts[item] for item in units[1].items] == [(0, 1)] * 16 + [(1, 1)] * 16 + [(2, 1)] * 8
