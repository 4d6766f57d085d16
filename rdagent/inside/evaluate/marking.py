"""Say of single documents whether a model has them right, by the task's own filters and metric.

lm_eval scores all documents or none, and builds every request anew for it; here its tasks'
filters and ``process_results`` are called for the documents that were just answered.  That
it comes to the same is checked on the results in the end.  Used by ``stopping``.
"""

from __future__ import annotations

import copy
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rdagent.errors import JobFailed
from rdagent.files.printable import one_line
from rdagent.inside.evaluate.order import Item, Unit
from rdagent.records.keys import KIND_OF_METHOD
from rdagent.records.ledger import Ledger
from rdagent.records.metric_keys import first_choice, short_key, split_key
from rdagent.records.stopping import StopRule

if TYPE_CHECKING:
    from rdagent.inside.evaluate.planning import Planned

Name = tuple[str, int]


class NotRightOrWrong(Exception):
    """An item's score is something else than right or wrong."""


class Marker:
    """Marks documents of planned tasks; the same document always by the same metric."""

    def __init__(self, rule: StopRule, planned: Planned, tasks: Iterable[Any]) -> None:
        self._rule = rule
        self._tasks = {str(task.task_name): task for task in tasks}
        self._asked = _asked_by(planned, self._tasks)
        #: Task → metric and filter.
        self._keys: dict[str, tuple[str, str]] = {}
        self._marks: dict[str, dict[Item, bool]] = defaultdict(dict)

    def needed(self, items: Iterable[Item]) -> set[Name]:
        """Return the names of the requests that documents ask."""
        return {name for item in items for _, names in self._asked[item] for name in names}

    def mark(self, model: str, unit: Unit, items: Sequence[Item], ledger: Ledger) -> list[bool]:
        """Return for each document whether it is right; raises NotRightOrWrong."""
        found: dict[Item, bool] = {}
        for task in dict.fromkeys(task for task, _ in items):
            found |= self._of_task(task, unit, [item for item in items if item[0] == task], ledger)
        self._marks[model] |= found
        return [found[item] for item in items]

    def metric(self, unit: Unit) -> str | None:
        """Return what a unit's items are marked by; several where its tasks differ."""
        keys = {short_key(*self._keys[task]): None for task in unit.tasks if task in self._keys}
        return ", ".join(keys) or None

    def require_same(self, model: str, samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Raise JobFailed where results say of a document what it was not marked by."""
        marks = self._marks[model]
        for task, rows in samples.items():
            metric, filter_name = self._keys.get(task, ("", ""))
            for row in rows:
                item = (task, int(row["doc_id"]))
                if row["filter"] != filter_name or item not in marks:
                    continue
                if self._is_right(task, metric, row.get(metric)) != marks[item]:
                    raise _scored_otherwise(task, item[1])

    def _of_task(
        self, task: str, unit: Unit, items: Sequence[Item], ledger: Ledger
    ) -> Iterator[tuple[Item, bool]]:
        with_answers = {item: self._asked[item] for item in items}
        everything = [pair for pairs in with_answers.values() for pair in pairs]
        for instance, names in everything:
            instance.resps = [ledger.answers[name].said for name in names]
            instance.filtered_resps = {}
        instances = [instance for instance, _ in everything]
        for ensemble in self._tasks[task]._filters:
            ensemble.apply(instances)
        for item, pairs in with_answers.items():
            yield item, self._one(task, unit, [instance for instance, _ in pairs])

    def _one(self, task: str, unit: Unit, instances: Sequence[Any]) -> bool:
        if task not in self._keys:
            self._keys[task] = self._choose(task, unit, instances)
        metric, filter_name = self._keys[task]
        scores = self._scores(task, instances, filter_name)
        return self._is_right(task, metric, scores.get(metric))

    def _choose(self, task: str, unit: Unit, instances: Sequence[Any]) -> tuple[str, str]:
        keys = [
            f"{metric},{name}"
            for name in instances[0].filtered_resps
            for metric in self._scores(task, instances, name)
        ]
        named = self._rule.metrics
        wanted = (*named.get(unit.name, ()), *named.get(task, ()))
        key = first_choice(keys, wanted, self._rule.preference)
        if key is None:
            raise NotRightOrWrong(f"{one_line(task)} has no metric")
        return split_key(key)

    def _scores(self, task: str, instances: Sequence[Any], filter_name: str) -> Mapping[str, Any]:
        said = [instance.filtered_resps[filter_name] for instance in instances]
        document = copy.deepcopy(instances[0].doc)  # what scoring writes into it stays there
        scores: Mapping[str, Any] = self._tasks[task].process_results(document, said)
        return scores

    def _is_right(self, task: str, metric: str, value: Any) -> bool:
        number = value.item() if hasattr(value, "item") and not hasattr(value, "__len__") else value
        if not isinstance(number, bool | int | float) or number not in (0, 1):
            shown = one_line(str(value), 40)
            raise NotRightOrWrong(f"{one_line(metric)} of an item is {shown}, not right or wrong")
        more_is_better = self._tasks[task].higher_is_better().get(metric)
        return bool(number) != (more_is_better is False)


def _asked_by(
    planned: Planned, tasks: Mapping[str, Any]
) -> dict[Item, list[tuple[Any, tuple[Name, ...]]]]:
    """Return each document's instances, as scoring sorts them, with their requests' names."""
    names: dict[tuple[Any, ...], deque[Name]] = defaultdict(deque)
    for place in planned.plan.occurrences:
        if place.request >= 0:
            request = planned.requests[place.request]
            names[place.task, place.doc_id, place.idx, request.kind].append(request.name)
    found: dict[Item, list[tuple[Any, tuple[Name, ...]]]] = defaultdict(list)
    for task, loaded in tasks.items():
        for one in loaded._instances:
            own = names[task, int(one.doc_id), int(one.idx), KIND_OF_METHOD[one.request_type]]
            if own:  # a document that was planned and is not asked has none
                repeats = tuple(own.popleft() for _ in range(one.repeats))
                found[task, int(one.doc_id)].append((one, repeats))
    for pairs in found.values():
        pairs.sort(key=lambda pair: int(pair[0].idx))
    return found


def _scored_otherwise(task: str, number: int) -> JobFailed:
    return JobFailed(
        f"{one_line(task)}: document {number} is scored otherwise than when it was decided",
        reason="command_failed",
        exit_code=6,
        hint="evaluate such a task without --stop-when-decided",
    )
