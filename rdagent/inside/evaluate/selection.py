"""Find and load the tasks of a request: names, refusals, data sets.

Used by ``variant`` before a model is loaded.  lm_eval's own index of tasks costs
seconds, so it is read only when the include folders do not hold every name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lm_eval.tasks import TaskManager

from rdagent.errors import JobFailed, RDAgentError, RefusedError, UnknownTaskError
from rdagent.files.printable import one_line
from rdagent.inside.evaluate import failures, task_index
from rdagent.inside.evaluate.local_data import Served, benchmarks_folder, in_place_of_the_hub
from rdagent.inside.evaluate.rendering import check_rendering
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
    with in_place_of_the_hub(benchmarks_folder(os.environ)) as served:
        for name in request.tasks:
            loaded = _load_one(manager, name, served)
            objects += loaded
            expected[name] = tuple(_name_of(item) for item in loaded)
    _refuse_overlap(manager, objects)
    selection = Selection(manager, tuple(objects), expected)
    if served.data_sets:
        for task in selection.leaves():
            check_rendering(task, served, request.num_fewshot)
    return selection


def _manager(request: EvaluateRequest, metadata: Mapping[str, Any]) -> Any:
    include = list(request.include)
    if include:
        manager = TaskManager(include_path=include, include_defaults=False, metadata=dict(metadata))
        index = manager.task_index
        if all(leaf in index for name in request.tasks for leaf in task_index.leaves(name, index)):
            return manager
    return TaskManager(include_path=include or None, metadata=dict(metadata))


def _load_one(manager: Any, name: str, served: Served) -> list[Any]:
    before = len(served.data_sets)
    try:
        loaded = manager.load([name])
    except Exception as error:
        if failures.is_memory(error) or isinstance(error, RDAgentError):
            raise
        if len(served.data_sets) > before:
            raise _unfit(name, served, error) from error
        raise JobFailed(
            task_index.why_not_loaded(name, manager.task_index, error),
            reason="command_failed",
            exit_code=6,
        ) from error
    if manager.task_index[name].kind.name == "GROUP":
        return [loaded["groups"][name]]
    return list(loaded["tasks"].values())


def _unfit(name: str, served: Served, error: Exception) -> JobFailed:
    """Return the error for data that are here and do not fit the task."""
    source, data_set = list(served.data_sets.items())[-1]
    lacking = sorted(split for of, split in served.lacking if of == source)
    columns = next((split.columns for split in data_set.splits.values() if split.columns), ())
    told = f"they have no split {lacking[0]!r}" if lacking else one_line(str(error), 200)
    return JobFailed(
        f"Task '{name}': the data in {source.folder} do not fit it: {told}",
        reason="refused",
        exit_code=2,
        hint=f"their splits are {', '.join(data_set.splits)}"
        + (f", their columns {', '.join(columns)}" if columns else ""),
    )


def _refuse_overlap(manager: Any, objects: list[Any]) -> None:
    try:
        manager.load(objects)
    except ValueError as error:
        raise RefusedError(
            one_line(str(error)), hint="ask for the group or for the task"
        ) from error


def _name_of(item: Any) -> str:
    return str(getattr(item, "task_name", None) or item.name)
