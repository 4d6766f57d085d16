"""What differs between two sides besides the model, found before any number is looked at.

FATAL: other documents, targets, task versions, so nothing can be compared.  WARN: another
way of asking, so systems are compared and not models alone.  INFO: good to know.
Documents, prompts and targets item by item are ``pairing``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from rdagent.comparison.looks import results_digest
from rdagent.comparison.report import Finding
from rdagent.comparison.run_settings import run_differences
from rdagent.comparison.sides import Side
from rdagent.comparison.task_settings import task_differences

_ORDER = {"FATAL": 0, "WARN": 1, "INFO": 2}
#: What concerns more tasks than this is said once, with the first names.
_APART = 3


def find_differences(
    base: Side, candidate: Side, tasks: Sequence[str] | None = None
) -> tuple[Finding, ...]:
    """Return what differs between two sides, the gravest first.

    ``tasks``: only these of the tasks that both have.  What concerns them all in the same
    way is one finding.
    """
    shared = [
        name
        for name in base.results.tasks
        if name in candidate.results.tasks and (tasks is None or name in tasks)
    ]
    of_tasks = [one for name in shared for one in task_differences(base, candidate, name)]
    found = [*_same_model(base, candidate), *run_differences(base, candidate)]
    return merge_findings([*found, *of_tasks], shared)


def merge_findings(findings: Iterable[Finding], tasks: Sequence[str]) -> tuple[Finding, ...]:
    """Return findings that say the same of many tasks as one, the gravest first.

    ``tasks`` are those that were looked at: what is true of them all, or of more than a
    few, has no task of its own any more and names them.
    """
    together: dict[Finding, list[str]] = {}
    for one in findings:
        names = together.setdefault(replace(one, task=None), [])
        if one.task is not None:
            names.append(one.task)
    merged = [
        found for one, names in together.items() for found in _merged(one, names, len(set(tasks)))
    ]
    return tuple(sorted(merged, key=lambda one: _ORDER[one.level]))


def _merged(one: Finding, names: Sequence[str], looked_at: int) -> Iterator[Finding]:
    apart = list(dict.fromkeys(names))
    if not apart:
        yield one
    elif len(apart) == 1 or (len(apart) < looked_at and len(apart) <= _APART):
        for name in apart:
            yield replace(one, task=name)
    else:
        of = "all" if len(apart) == looked_at else f"{len(apart)} of"
        named = "" if len(apart) == looked_at else f" ({', '.join(apart[:_APART])}, …)"
        yield replace(one, says=f"{one.says} [{of} {looked_at} tasks{named}]".strip())


def _same_model(base: Side, candidate: Side) -> Iterator[Finding]:
    names = base.info.name, candidate.info.name
    one, other = base.info.facts.get("identity"), candidate.info.facts.get("identity")
    if results_digest(base) == results_digest(candidate):
        yield Finding("INFO", "model", *names, says="both sides are the very same results")
    elif one is not None and one == other:
        yield Finding("INFO", "model", *names, says="both sides are the same model")
