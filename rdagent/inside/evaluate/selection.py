"""Find and load the tasks of a request: names, refusals, data sets.

Used by ``group`` before a model is loaded.  lm_eval's own index of tasks costs
seconds, so it is read only when the include folders do not hold every name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_eval.tasks import TaskManager

from rdagent.errors import JobFailed, RDAgentError, RefusedError, UnknownTaskError
from rdagent.files.printable import one_line
from rdagent.inside.evaluate import documents, failures, fewshot, scoring_calls, task_index
from rdagent.inside.evaluate.harness import Randomness
from rdagent.inside.evaluate.local_data import Served, benchmarks_folder, in_place_of_the_hub
from rdagent.inside.evaluate.rendering import check_rendering
from rdagent.records.requests import EvaluateRequest


@dataclass(frozen=True, slots=True)
class Selection:
    """Loaded tasks, and what each requested name must leave in the results."""

    manager: Any
    #: What the manager returned: tasks and groups by name.
    loaded: Mapping[str, Mapping[str, Any]]
    expected: Mapping[str, tuple[str, ...]]
    #: What tasks draw from, as it was when they had been loaded.
    randomness: Randomness

    def leaves(self) -> Iterator[Any]:
        """Yield the tasks themselves, those of groups among them."""
        yield from self.loaded["tasks"].values()


class _Manager(TaskManager):
    """Loads all names at once, as lm_eval does, and remembers what each of them became."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.served = Served()
        self.built: dict[str, Any] = {}

    def _load_spec(self, spec: str) -> Any:
        before = len(self.served.data_sets)
        try:
            self.built[spec] = super()._load_spec(spec)
        except Exception as error:
            if failures.is_memory(error) or isinstance(error, RDAgentError):
                raise
            if len(self.served.data_sets) > before:
                raise _unfit(spec, self.served, error) from error
            raise JobFailed(
                task_index.why_not_loaded(spec, self.task_index, error),
                reason="command_failed",
                exit_code=6,
            ) from error
        return self.built[spec]


def load(request: EvaluateRequest, metadata: Mapping[str, Any]) -> Selection:
    """Load every requested task with its data; refuses before it loads anything."""
    manager = _manager(request, metadata)
    index = manager.task_index
    for name in request.tasks:
        if name not in index:
            raise UnknownTaskError(f"Task '{name}' not found")
        task_index.refuse_unsafe(name, index)
        scoring_calls.refuse_named(name, index)
    with (
        in_place_of_the_hub(benchmarks_folder(os.environ)) as manager.served,
        documents.made_once(),
    ):
        loaded = _load_all(manager, request.tasks)
    randomness = Randomness.now()
    expected = {name: tuple(_names_of(manager.built[name])) for name in request.tasks}
    selection = Selection(manager, loaded, expected, randomness)
    fewshot.set_numbers(selection.leaves(), request.fewshot)
    if manager.served.data_sets:
        for task in selection.leaves():
            check_rendering(task, manager.served, request.num_fewshot)
    return selection


def _manager(request: EvaluateRequest, metadata: Mapping[str, Any]) -> _Manager:
    include = list(request.include)
    if include:
        manager = _Manager(include_path=include, include_defaults=False, metadata=dict(metadata))
        index = manager.task_index
        if all(leaf in index for name in request.tasks for leaf in task_index.leaves(name, index)):
            return manager
    return _Manager(include_path=include or None, metadata=dict(metadata))


def _load_all(manager: _Manager, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    try:
        return manager.load(list(names))
    except ValueError as error:
        raise RefusedError(
            one_line(str(error)), hint="ask for the group or for the task"
        ) from error


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


def _names_of(built: Any) -> Iterator[str]:
    """Yield the names that something requested has in the results: a tag has several."""
    for item in built if isinstance(built, list) else [built]:
        yield str(getattr(item, "task_name", None) or item.name)
