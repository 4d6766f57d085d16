"""In which order documents are answered where base and adapters stop when it is decided.

Each unit of decision has its documents in one order, drawn with the seed, and is looked at
where ``looks`` says.  Used by ``planning``, which cuts the chunks by it, and ``stopping``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdagent.inside.evaluate.selection import Selection

#: A document: the name of its task, and its number there.
Item = tuple[str, int]
#: The look that a request is first needed for, and the unit.
Part = tuple[int, int]
#: So much later than the last look the next one is at least, as a share of the documents.
_FURTHER = 4


@dataclass(frozen=True, slots=True)
class Unit:
    """What is decided on as one: a task, or a group that has a score of its own."""

    name: str
    tasks: tuple[str, ...]
    #: The documents in the order in which they are answered.
    items: tuple[Item, ...]
    #: After how many documents it is looked at.
    looks: tuple[int, ...]

    def slice(self, look: int) -> tuple[Item, ...]:
        """Return the documents that are answered for a look."""
        begin = self.looks[look - 1] if look else 0
        return self.items[begin : self.looks[look]]


def units_of(
    selection: Selection, documents: Iterable[Item], seed: int, step: int
) -> tuple[Unit, ...]:
    """Return the units of what is asked for, each with its documents; at least one each."""
    by_task: dict[str, dict[Item, None]] = {}
    for item in documents:
        by_task.setdefault(item[0], {})[item] = None
    units = []
    for name, tasks in _decided_on(selection).items():
        items = [item for task in tasks for item in by_task.get(task, ())]
        # The name alone decides the order beside the seed: other tasks do not.
        random.Random(f"{seed}:{name}:order").shuffle(items)
        if items:
            units.append(Unit(name, tasks, tuple(items), _looks(len(items), step)))
    return tuple(units)


def _decided_on(selection: Selection) -> dict[str, tuple[str, ...]]:
    """Return each unit's tasks; a group without a score of its own is not one, its tasks are."""
    groups = selection.loaded.get("groups", {})
    found: dict[str, tuple[str, ...]] = {}
    for name in (name for names in selection.expected.values() for name in names):
        group = groups.get(name)
        if group is None:
            found[name] = (name,)
            continue
        leaves = tuple(dict.fromkeys(str(task.task_name) for task in group.get_all_tasks()))
        found |= {name: leaves} if group.has_aggregation else {leaf: (leaf,) for leaf in leaves}
    return found


def _looks(count: int, step: int) -> tuple[int, ...]:
    """Return where to look: rarer and rarer, as what one look costs too much grows with it."""
    ends: list[int] = []
    end = 0
    while end < count:
        end = min(count, end + max(step, end // _FURTHER, 1))
        ends.append(end)
    return tuple(ends)


def parts_of(units: Iterable[Unit]) -> Mapping[Item, Part]:
    """Return, by document, for which look of which unit it is answered."""
    return {
        item: (look, number)
        for number, unit in enumerate(units)
        for look in range(len(unit.looks))
        for item in unit.slice(look)
    }
