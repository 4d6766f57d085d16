"""What lm_eval's index says of a name, and the list of tasks that is made from it."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest

from rdagent.errors import RefusedError
from rdagent.inside.evaluate import list_tasks, task_index


class Kind(Enum):
    """Named as lm_eval names them."""

    TASK = 1
    TAG = 2
    GROUP = 3


@dataclass
class Entry:
    kind: Kind
    cfg: dict[str, Any] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)


INDEX = {
    "a": Entry(Kind.TASK, {"dataset_path": "org/set", "dataset_name": "main"}),
    "b": Entry(Kind.TASK, {"unsafe_code": True}),
    "tagged": Entry(Kind.TAG, tags={"a"}),
    "group": Entry(
        Kind.GROUP,
        {
            "task": ["tagged", {"task": "b"}, {"group": "inner", "task": ["a"]}],
            "aggregate_metric_list": [{"metric": "acc"}],
        },
    ),
}


def test_a_group_stands_for_the_tasks_below_it() -> None:
    assert list(task_index.leaves("group", INDEX)) == ["a", "b", "a"]


def test_an_unknown_name_stands_for_itself() -> None:
    assert list(task_index.leaves("x", INDEX)) == ["x"]


def test_a_group_with_a_task_that_runs_written_code_is_refused() -> None:
    with pytest.raises(RefusedError, match="Task 'b' runs code"):
        task_index.refuse_unsafe("group", INDEX)


def test_a_safe_task_passes() -> None:
    task_index.refuse_unsafe("tagged", INDEX)


def test_a_data_set_that_is_not_there_is_named() -> None:
    line = task_index.why_not_loaded("tagged", INDEX, ConnectionError("offline"))
    assert line == (
        "Task 'tagged': its data set (org/set main) cannot be loaded: ConnectionError: offline"
    )


def test_another_mistake_is_not_blamed_on_the_data() -> None:
    line = task_index.why_not_loaded("a", INDEX, KeyError("x"))
    assert line == "Task 'a' cannot be loaded: KeyError: 'x'"


def test_the_list_of_tasks_has_a_section_for_each_kind() -> None:
    assert list(list_tasks.lines(INDEX, "9")) == [
        "# lm_eval 9",
        "[data]",
        '["org/set", "main", {}]',
        "null",
        "[shapes]",
        '["generate_until", "", "", null, {}]',
        "[tasks]",
        "a 0 0",
        "b 1 0",
        "[unsafe]",
        "b",
        "[tags]",
        "tagged a",
        "[groups]",
        "group* tagged b group::inner",
        "group::inner a",
    ]
