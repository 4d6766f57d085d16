"""Groups in results that do not say which tasks they hold: the catalogue knows lm_eval's own.

Without this a plain file of scores with a group beside its tasks would count them twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rdagent.evaluation.catalogue import Entry, built_in
from rdagent.evaluation.results import ResultsDocument

_MEMBERS = "group_subtasks"


def with_known_groups(results: ResultsDocument, document: Mapping[str, Any]) -> ResultsDocument:
    """Return results in which groups of the catalogue are groups, if they name none themselves."""
    if _MEMBERS in document or len(results.tasks) < 2:
        return results
    known = built_in()
    groups = {}
    for name, task in results.tasks.items():
        entry = known.get(name)
        if entry is None or entry.kind == "task":
            continue
        members = tuple(leaf for leaf in _leaves(entry, known) if leaf in results.tasks)
        if members:
            groups[name] = replace(task, is_group=True, members=members)
    tasks = {name: task for name, task in results.tasks.items() if name not in groups}
    return replace(results, tasks=tasks, groups={**results.groups, **groups})


def _leaves(
    entry: Entry, known: Mapping[str, Entry], seen: frozenset[str] = frozenset()
) -> Iterator[str]:
    for name in entry.members:
        member = known.get(name)
        if member is None or member.kind == "task":
            yield name
        elif name not in seen:
            yield from _leaves(member, known, seen | {name})
