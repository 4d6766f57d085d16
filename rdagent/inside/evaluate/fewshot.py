"""A number of examples for each task: lm_eval itself takes one number for all of them.

Used by ``selection`` when the tasks have been loaded.  lm_eval is told no number then,
and what stands in a task's configuration counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def set_numbers(leaves: Iterable[Any], by_task: Mapping[str, int]) -> None:
    """Set each named task's number; a task whose own configuration says 0 keeps it.

    That is lm_eval's rule for its own option: such a task's prompt is made without any.
    Names of tasks that are not there are passed over.
    """
    for task in leaves:
        number = by_task.get(str(task.task_name))
        if number is not None and task.get_config("num_fewshot") != 0:
            task.set_config("num_fewshot", number)


def from_scored_documents(leaves: Iterable[Any]) -> tuple[str, ...]:
    """Return the tasks whose examples come from the very documents that they score.

    lm_eval does so where a task names no other split: a prompt then shows other test items.
    """
    return tuple(str(task.task_name) for task in leaves if _draws_from_scored(task))


def _draws_from_scored(task: Any) -> bool:
    if not task.get_config("num_fewshot"):
        return False
    named = task.get_config("fewshot_split")
    if named is not None:
        scored = task.get_config("test_split") or task.get_config("validation_split")
        return bool(named == scored)
    if task.has_training_docs():
        return False
    # Examples come from the validation split, which is scored where there is no test split.
    return not (task.has_validation_docs() and task.has_test_docs())
