"""Write the list of lm_eval's tasks, and of the data they need, that the host package carries.

``python -m rdagent.inside.evaluate.list_tasks TARGET``, run in the evaluation image
when lm_eval's version changes; TARGET is ``rdagent/evaluation/catalogue.txt.gz``.
Sorted text, compressed without a time stamp: the same version gives the same bytes.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from rdagent.files import atomic
from rdagent.records.benchmarks import TaskNeeds, needs_of, source_of

#: After a group's name: it has a score of its own.
SCORED = "*"


def main(arguments: Sequence[str]) -> int:
    """Write the list to the file named by the only argument."""
    from lm_eval.tasks import TaskManager

    (target,) = arguments
    version = metadata.version("lm_eval")
    text = "\n".join(lines(TaskManager().task_index, version)) + "\n"
    atomic.write_bytes(Path(target), gzip.compress(text.encode("utf-8"), mtime=0))
    return 0


def lines(index: Mapping[str, Any], version: str) -> Iterator[str]:
    """Yield the list's lines: data, tasks, tasks that run code, tags and groups with members.

    A task's line is its name and the numbers of its data set and of its shape: what it
    asks of a model and which splits it needs.
    """
    kinds = {name: entry.kind.name for name, entry in index.items()}
    tasks = sorted(name for name, kind in kinds.items() if kind in ("TASK", "PY_TASK"))
    rows = {name: _rows_of(_needs(index[name])) for name in tasks}
    sources = sorted({source for source, _ in rows.values()})
    shapes = sorted({shape for _, shape in rows.values()})
    numbers = {row: number for part in (sources, shapes) for number, row in enumerate(part)}
    yield f"# lm_eval {version}"
    yield "[data]"
    yield from sources
    yield "[shapes]"
    yield from shapes
    yield "[tasks]"
    for name in tasks:
        source, shape = rows[name]
        yield f"{name} {numbers[source]} {numbers[shape]}"
    yield "[unsafe]"
    yield from (name for name in tasks if (index[name].cfg or {}).get("unsafe_code"))
    yield "[tags]"
    for name in sorted(name for name, kind in kinds.items() if kind == "TAG"):
        yield " ".join([name, *sorted(index[name].tags)])
    yield "[groups]"
    groups = {name: index[name].cfg or {} for name, kind in kinds.items() if kind == "GROUP"}
    found = {row[0]: row for name, cfg in groups.items() for row in _group_rows(name, cfg, index)}
    yield from (" ".join(found[name]) for name in sorted(found))


def _needs(entry: Any) -> TaskNeeds:
    """Return what a task needs; of one that is a class, what its class says."""
    needs = needs_of(entry.cfg or {})
    if entry.kind.name != "PY_TASK" or not entry.yaml_path:
        return needs
    from lm_eval.tasks._yaml_loader import load_yaml

    try:
        task = load_yaml(entry.yaml_path, resolve_func=True)["class"]
    except ImportError:
        return needs  # of a library that the image does not have: such a task cannot run
    path = getattr(task, "DATASET_PATH", None)
    return replace(needs, source=source_of(path, task.DATASET_NAME) if path else None)


def _rows_of(needs: TaskNeeds) -> tuple[str, str]:
    source = needs.source
    data = [source.path, source.name, dict(source.options)] if source else None
    shape = [needs.output_type, needs.scored, needs.examples, needs.shots, dict(needs.roles)]
    return json.dumps(data, ensure_ascii=False), json.dumps(shape, ensure_ascii=False)


def _group_rows(
    name: str, config: Mapping[str, Any], index: Mapping[str, Any]
) -> Iterator[list[str]]:
    """Yield a group with its members, and the groups that are written out inside it."""
    members: list[str] = []
    items = config.get("task")
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and "group" in item and item["group"] not in index:
            inner = f"{name}::{item['group']}"
            members.append(inner)
            yield from _group_rows(inner, item, index)
        else:
            members.append(_member(name, item, index))
    mark = SCORED if config.get("aggregate_metric_list") else ""
    yield [f"{name}{mark}", *members]


def _member(group: str, item: Any, index: Mapping[str, Any]) -> str:
    base = item if isinstance(item, str) else str(item.get("group") or item.get("task"))
    return base if base in index else f"{group}::{base}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
