"""Find the documents that a subset names among those of the loaded tasks.

Used by ``planning``.  A document is known by the hash that lm_eval writes into samples;
one that is not found is refused, since a score over fewer documents is another score.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from rdagent.errors import RefusedError
from rdagent.records.subset import Subset

_NAMED = 3


def doc_ids(leaves: Iterable[Any], subset: Subset) -> dict[str, tuple[int, ...]]:
    """Return the numbers of each task's documents, in order; raises RefusedError.

    Documents that are equal have one hash: they are all meant, or none.  Of a task whose
    requests are built the documents are those of the requests.
    """
    tasks = {str(task.task_name): task for task in leaves}
    lacking = [name for name in tasks if name not in subset.tasks]
    if lacking:
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        raise RefusedError(
            f"the subset {subset.name} has no documents of {', '.join(lacking[:_NAMED])}{more}",
            hint=f"ask for its tasks: --tasks {','.join(list(subset.tasks)[:_NAMED])}",
        )
    return {name: _numbers(name, task, subset) for name, task in tasks.items()}


def _numbers(name: str, task: Any, subset: Subset) -> tuple[int, ...]:
    places: dict[str, list[int]] = {}
    for number, document in _documents(task):
        places.setdefault(doc_hash(document), []).append(number)
    wanted = subset.tasks[name]
    unknown = [each for each in wanted if each not in places]
    if unknown:
        raise RefusedError(
            f"Task '{name}': {len(unknown)} of the {len(wanted)} documents of the subset"
            f" {subset.name} are not among its {sum(map(len, places.values()))},"
            f" {unknown[0][:12]} for one",
            hint="its data, or what the task makes of them, are others than for the subset",
        )
    return tuple(sorted(number for each in wanted for number in places[each]))


def _documents(task: Any) -> Iterator[tuple[int, Any]]:
    """Yield a task's documents with their numbers.

    ``eval_docs`` is made anew by every look at it: a task that shuffles has another order
    then than its requests have.
    """
    requests = getattr(task, "_instances", None)
    if requests:
        yield from {int(one.doc_id): one.doc for one in requests}.items()
    else:
        yield from enumerate(task.eval_docs)


def doc_hash(document: Any) -> str:
    """Return what lm_eval writes as a sample's ``doc_hash``."""
    text = json.dumps(document, indent=2, default=_plain, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    from lm_eval.utils import handle_non_serializable

    return handle_non_serializable(value)
