"""Make a task's documents once, so that what it draws meanwhile is drawn once.

lm_eval has ``process_docs`` make them anew whenever it looks at them, and leaves it to
the cache of ``datasets`` that the same ones come back.  Data in memory have no such
cache: choices that are shuffled would be in one order in the prompts and in another
where they are scored.  On a disk it is warm the next time, and nothing is drawn: another
process would ask other things.  Used by ``selection``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import datasets
from lm_eval.api.task import ConfigurableTask


@contextmanager
def made_once() -> Iterator[None]:
    """Let tasks that are loaded in the block make their documents once, and from nothing."""
    download = ConfigurableTask.download

    def downloaded(task: Any, *arguments: Any, **options: Any) -> None:
        download(task, *arguments, **options)
        _remember(task)

    was_caching = datasets.is_caching_enabled()
    datasets.disable_caching()
    ConfigurableTask.download = downloaded
    try:
        yield
    finally:
        ConfigurableTask.download = download
        if was_caching:
            datasets.enable_caching()


def _remember(task: Any) -> None:
    """Put a memory round the task's function; its examples are often made by the same one."""
    known: dict[Any, Any] = {}
    for place in (task.config, task.fewshot_cfg):
        function = getattr(place, "process_docs", None)
        if callable(function):
            place.process_docs = known.setdefault(function, _once(function))


def _once(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    made: dict[int, tuple[Any, Any]] = {}

    @functools.wraps(function)
    def remembered(documents: Any) -> Any:
        if id(documents) not in made:
            # The documents are kept beside what was made: no other ones get their id.
            made[id(documents)] = (documents, function(documents))
        return made[id(documents)][1]

    return remembered
