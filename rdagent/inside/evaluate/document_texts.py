"""What the planned documents of loaded tasks ask and expect, as text.

A task's own functions are called, which are anybody's code: what they raise costs the
check that wanted the texts, with a note, and never the evaluation.  Read by ``overlap``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from rdagent.files.printable import one_line
from rdagent.records.plan import Occurrence


class Document(NamedTuple):
    """One document of a task."""

    task: str
    doc_id: int
    question: str
    #: The question, and the answer that is expected.
    whole: str


def planned_documents(occurrences: Iterable[Occurrence]) -> dict[str, set[int]]:
    """Return the documents of each task that are answered."""
    planned: dict[str, set[int]] = {}
    for one in occurrences:
        if one.request >= 0:
            planned.setdefault(one.task, set()).add(one.doc_id)
    return planned


class DocumentTexts:
    """The planned documents of tasks, made anew by each iteration; ``notes`` says what failed."""

    def __init__(self, tasks: Iterable[Any], planned: Mapping[str, set[int]]) -> None:
        self._tasks, self._planned = tuple(tasks), planned
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Document]:
        self.notes = []
        for task in self._tasks:
            name = str(task.task_name)
            try:
                # All of a task's documents or none: a part would pass for the whole.
                found = list(_documents(task, name, self._planned.get(name, set())))
            except Exception as error:
                why = one_line(f"{type(error).__name__}: {error}", 200)
                self.notes.append(f"{one_line(name)}: its documents cannot be read as text: {why}")
                continue
            yield from found


def _documents(task: Any, name: str, wanted: set[int]) -> Iterator[Document]:
    if not wanted:
        return
    for number, document in enumerate(islice(iter(task.eval_docs), max(wanted) + 1)):
        if number in wanted:
            question, answer = _question(task, document), _answer(task, document)
            yield Document(name, number, question, f"{question} {answer}")


def _question(task: Any, document: Any) -> str:
    # A number says which of the choices is the text: such a task asks each of them.
    return _text(task.doc_to_text(document), lambda: _choices(task, document))


def _answer(task: Any, document: Any) -> str:
    answer = task.doc_to_target(document)
    if isinstance(answer, list | tuple):
        answer = answer[0] if answer else ""  # any of them is right
    return _text(answer, lambda: _choices(task, document))


def _choices(task: Any, document: Any) -> Sequence[Any]:
    if getattr(task.config, "doc_to_choice", None) is None:
        return ()
    return list(task.doc_to_choice(document))


def _text(value: Any, choices: Callable[[], Sequence[Any]]) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        named = choices()
        return str(named[value]) if 0 <= value < len(named) else str(value)
    return str(value)
