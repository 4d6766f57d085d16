"""Subsets of documents on the host: read one, hold it against the tasks, make one of a run.

``rdagent eval --subset`` and ``rdagent runs subset`` come here; the file's shape is in
``records.subset``, its documents are found inside the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rdagent.core.feedback import TaskScore
from rdagent.errors import RefusedError, ResultError, UsageError
from rdagent.evaluation.metrics import NO_FILTER
from rdagent.evaluation.primary import primary_scores
from rdagent.evaluation.publish import RESULTS_FILE
from rdagent.evaluation.results import ResultsDocument, read_results
from rdagent.evaluation.tasks import ResolvedTasks
from rdagent.files import untrusted
from rdagent.records.results import samples_name
from rdagent.records.subset import Subset, make_subset

Where = Literal["wrong", "right", "all"]
WHERE: tuple[Where, ...] = ("wrong", "right", "all")
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Made:
    """A new subset, and the tasks that have nothing in it."""

    subset: Subset
    empty: tuple[str, ...]


def read_subset(path: Path) -> Subset:
    """Read a user's file; raises UsageError when it is none, or was changed since."""
    try:
        return Subset.read(path.resolve())  # a link of the user's own may be followed
    except ResultError as error:
        raise UsageError(error.message, hint=error.hint) from None


def check_subset(tasks: ResolvedTasks, subset: Subset) -> None:
    """Raise RefusedError when a task that is asked for has no documents in the subset."""
    leaves = [entry.name for entries in tasks.parts.values() for entry in entries]
    lacking = [name for name in dict.fromkeys(leaves) if name not in subset.tasks]
    if lacking:
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        raise RefusedError(
            f"the subset {subset.name} has no documents of {', '.join(lacking[:_NAMED])}{more}",
            hint="Without --tasks and --preset its own tasks are evaluated.",
        )


def results_of(run: Path, variant: str) -> Path:
    """Return the folder of a variant's results; without a name the only one is meant."""
    found = sorted(path.parent for path in (run / "variants").glob(f"*/{RESULTS_FILE}"))
    names = [folder.name for folder in found]
    meant = [folder for folder in found if folder.name == variant or not variant]
    if len(meant) == 1:
        return meant[0]
    if not found:
        raise UsageError(f"the run {run.name} has no results")
    what = f"no results of {variant!r}" if variant else f"results of {len(found)} models"
    raise UsageError(
        f"the run {run.name} has {what}",
        hint=f"Name one: {run.name}:{names[0]} ({', '.join(names)})",
    )


def subset_of_results(folder: Path, where: Where, name: str, *, tasks: Sequence[str] = ()) -> Made:
    """Return the documents of a variant's samples that were answered right, wrong, or at all.

    Right is a whole point in the task's primary metric, wrong is anything less.  Raises
    ResultError for samples that are damaged, RefusedError where a metric tells no right
    from wrong or nothing is left.
    """
    document = read_results(folder / RESULTS_FILE)
    wanted = tasks or tuple(document.tasks)
    found: dict[str, list[str]] = {}
    for task in dict.fromkeys(leaf for asked in wanted for leaf in document.leaves(asked)):
        if task not in document.tasks:
            raise UsageError(f"there are no results of {task} in {folder}")
        takes = _takes(document, task, where)
        found[task] = [_hash_of(row, task) for row in _samples(folder, task) if takes(row)]
    kept = {task: hashes for task, hashes in found.items() if hashes}
    if not kept:
        raise RefusedError(f"no document of {', '.join(list(found)[:_NAMED])} is {where}")
    return Made(make_subset(name, kept), tuple(task for task in found if task not in kept))


def _takes(document: ResultsDocument, task: str, where: Where) -> Callable[[Any], bool]:
    if where == "all":
        return lambda row: True
    score = primary_scores(document, [task]).scores.get(task)
    if score is None or not score.ratio:
        metric = "it has no score" if score is None else f"{score.metric} is no share of right ones"
        raise RefusedError(
            f"{task}: right and wrong cannot be told apart: {metric}",
            hint="Take every document (--where all), or other tasks (--task).",
        )
    return lambda row: _is_of(row, score) and _is_right(row, score, task) == (where == "right")


def _is_of(row: Any, score: TaskScore) -> bool:
    return bool(row.get("filter", NO_FILTER) == (score.filter or NO_FILTER))


def _is_right(row: Any, score: TaskScore, task: str) -> bool:
    value = row.get(score.metric)
    number = float(value) if isinstance(value, bool) else untrusted.finite_number(value)
    if number is None:
        raise RefusedError(
            f"{task}: its samples hold no {score.metric} of single documents",
            hint="Take every document (--where all), or other tasks (--task).",
        )
    return number >= 1 if score.higher_is_better else number <= 0


def _samples(folder: Path, task: str) -> Iterator[dict[str, Any]]:
    path = folder / samples_name(task)
    for number, row in enumerate(untrusted.read_json_lines(path), 1):
        if not isinstance(row, dict):
            raise ResultError(f"line {number} of {path.name} is not a JSON object")
        yield row


def _hash_of(row: dict[str, Any], task: str) -> str:
    found = row.get("doc_hash")
    if not isinstance(found, str):
        raise ResultError(f"a sample of {task} has no doc_hash")
    return found
