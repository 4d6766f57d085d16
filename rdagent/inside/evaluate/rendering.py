"""Render a few documents of every loaded task: wrong columns are found before a model loads.

lm_eval renders a task's first document itself when it loads the task.  What it does not
notice is a column that is missing where the template is a bare name: then the name
itself becomes every prompt.  Used by ``selection``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rdagent.errors import JobFailed
from rdagent.files.printable import one_line
from rdagent.inside.evaluate.local_data import Served

LOOKED_AT = 5
_FIELDS = ("doc_to_text", "doc_to_target", "doc_to_choice")


def check_rendering(task: Any, served: Served, num_fewshot: int | None) -> None:
    """Raise JobFailed when the data of a task lack documents, examples or columns."""
    documents = getattr(task, "task_docs", None)
    if documents is None:
        return  # a task that is a program of its own
    name = str(task.task_name)
    _check_examples(name, task, served, num_fewshot)
    bare = list(_bare_names(task))
    for number in range(min(LOOKED_AT, len(documents))):
        _render(name, task, documents[number], bare)


def _check_examples(name: str, task: Any, served: Served, asked: int | None) -> None:
    own = task.config.num_fewshot
    shots = int((own if asked is None or own == 0 else asked) or 0)
    found = len(getattr(getattr(task, "sampler", None), "df", None) or ())
    if shots == 0 or found >= shots:
        return
    lacking = ", ".join(sorted({repr(split) for _, split in served.lacking}))
    why = f": its data have no split {lacking}" if lacking else f": there are only {found}"
    raise _refused(
        name,
        f"{shots} examples cannot be drawn{why}",
        "add that split as well, or ask for no examples: --num-fewshot 0",
    )


def _bare_names(task: Any) -> Iterator[str]:
    for field in _FIELDS:
        value = getattr(task.config, field, None)
        if isinstance(value, str) and value.isidentifier() and value.islower():
            yield value


def _render(name: str, task: Any, document: Any, bare: list[str]) -> None:
    missing = [column for column in bare if column not in document]
    if missing:
        raise _refused(name, f"its data have no column {missing[0]!r}")
    try:
        task.doc_to_text(document)
        task.doc_to_target(document)
        if task.config.doc_to_choice is not None:
            task.doc_to_choice(document)
    except Exception as error:
        columns = ", ".join(map(str, document))
        cause = one_line(f"{type(error).__name__}: {error}", 200)
        raise _refused(
            name, f"a document cannot be rendered: {cause}", f"its columns are {columns}"
        ) from error


def _refused(task: str, what: str, hint: str = "") -> JobFailed:
    return JobFailed(f"Task '{task}': {what}", reason="refused", exit_code=2, hint=hint)
