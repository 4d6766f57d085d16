"""Find and load the tasks of a request: names, refusals, data sets.

Used by ``variant`` before a model is loaded.  lm_eval's own index of tasks costs
seconds, so it is read only when the include folders do not hold every name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lm_eval.tasks import TaskManager

from rdagent.errors import JobFailed, RefusedError, UnknownTaskError
from rdagent.files.printable import one_line
from rdagent.inside.evaluate import failures, task_index
from rdagent.records.requests import EvaluateRequest


@dataclass(frozen=True, slots=True)
class Selection:
    """Loaded tasks, and what each requested name must leave in the results."""

    manager: Any
    objects: tuple[Any, ...]
    expected: Mapping[str, tuple[str, ...]]

    def leaves(self) -> Iterator[Any]:
        """Yield the tasks themselves, those of groups among them."""
        for item in self.objects:
            yield from item.get_all_tasks() if hasattr(item, "get_all_tasks") else (item,)


def load(request: EvaluateRequest, metadata: Mapping[str, Any]) -> Selection:
    """Load every requested task with its data; refuses before it loads anything."""
    manager = _manager(request, metadata)
    index = manager.task_index
    for name in request.tasks:
        if name not in index:
            raise UnknownTaskError(f"Task '{name}' not found")
        task_index.refuse_unsafe(name, index)
    objects: list[Any] = []
    expected: dict[str, tuple[str, ...]] = {}
    for name in request.tasks:
        loaded = _load_one(manager, name)
        objects += loaded
        expected[name] = tuple(_name_of(item) for item in loaded)
    _refuse_overlap(manager, objects)
    return Selection(manager, tuple(objects), expected)


def _manager(request: EvaluateRequest, metadata: Mapping[str, Any]) -> Any:
    include = list(request.include)
    if include:
        manager = TaskManager(include_path=include, include_defaults=False, metadata=dict(metadata))
        index = manager.task_index
        if all(leaf in index for name in request.tasks for leaf in task_index.leaves(name, index)):
            return manager
    return TaskManager(include_path=include or None, metadata=dict(metadata))


def _load_one(manager: Any, name: str) -> list[Any]:
    try:
        loaded = manager.load([name])
    except Exception as error:
        if failures.is_memory(error):
            raise
        raise JobFailed(
            task_index.why_not_loaded(name, manager.task_index, error),
            reason="command_failed",
            exit_code=6,
        ) from error
    if manager.task_index[name].kind.name == "GROUP":
        return [loaded["groups"][name]]
    return list(loaded["tasks"].values())


def _refuse_overlap(manager: Any, objects: list[Any]) -> None:
    try:
        manager.load(objects)
    except ValueError as error:
        raise RefusedError(
            one_line(str(error)), hint="ask for the group or for the task"
        ) from error


def _name_of(item: Any) -> str:
    return str(getattr(item, "task_name", None) or item.name)
