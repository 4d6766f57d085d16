"""The texts of planned documents, whatever a task's own code does."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from rdagent.inside.evaluate.document_texts import Document, DocumentTexts, planned_documents
from rdagent.records.plan import Occurrence

DOCUMENTS = [{"q": f"question {number}", "a": f"answer {number}"} for number in range(4)]


@dataclass
class Task:
    """Stands for a task of lm_eval."""

    task_name: str = "quiz"
    eval_docs: Any = field(default_factory=lambda: DOCUMENTS)
    text: Any = "q"
    target: Any = "a"
    choices: Any = None

    @property
    def config(self) -> Any:
        return SimpleNamespace(doc_to_choice=self.choices)

    def doc_to_text(self, document: Any) -> Any:
        return self.text(document) if callable(self.text) else document[self.text]

    def doc_to_target(self, document: Any) -> Any:
        return self.target(document) if callable(self.target) else document[self.target]

    def doc_to_choice(self, document: Any) -> Any:
        return self.choices


def only(task: Any) -> Document:
    (document,) = DocumentTexts([task], {task.task_name: {1}})
    return document


def test_the_planned_documents_are_yielded_with_their_numbers() -> None:
    texts = DocumentTexts([Task()], {"quiz": {3, 1}})
    assert list(texts) == [
        ("quiz", 1, "question 1", "question 1 answer 1"),
        ("quiz", 3, "question 3", "question 3 answer 3"),
    ]
    assert texts.notes == []


def test_documents_that_are_dropped_are_not_planned() -> None:
    occurrences = [Occurrence(0, "quiz", 3, 0), Occurrence(-1, "quiz", 4, 0)]
    assert planned_documents(occurrences) == {"quiz": {3}}


def test_no_document_after_the_last_planned_one_is_made() -> None:
    def documents() -> Any:
        yield from DOCUMENTS[:2]
        raise AssertionError("one document too many")

    assert only(Task(eval_docs=documents())).doc_id == 1


def test_the_right_choice_is_the_answer_of_a_task_with_choices() -> None:
    assert only(Task(target=lambda _: 1, choices=["no", "yes"])).whole == "question 1 yes"


def test_a_text_that_is_a_number_names_the_choice_that_is_asked() -> None:
    task = Task(text=lambda _: 0, target=lambda _: "ran.", choices=["The cat", "The dog"])
    assert only(task).whole == "The cat ran."


def test_a_number_without_choices_is_a_text() -> None:
    assert only(Task(target=lambda _: 42)).whole == "question 1 42"


def test_a_number_beyond_the_choices_is_a_text() -> None:
    assert only(Task(target=lambda _: -1, choices=["no", "yes"])).whole == "question 1 -1"


def test_the_first_of_several_answers_is_taken() -> None:
    assert only(Task(target=lambda _: ["yes", "yeah"])).whole == "question 1 yes"
    assert only(Task(target=lambda _: [])).whole == "question 1 "


@pytest.mark.parametrize("error", [KeyError("q"), MemoryError(), RecursionError("deep")])
def test_a_tasks_error_costs_its_documents_and_is_noted(error: Exception) -> None:
    def fail(document: Any) -> Any:
        if document is DOCUMENTS[2]:
            raise error
        return "fine"

    wanted = {"broken": {0, 1, 2}, "quiz": {0}}
    texts = DocumentTexts([Task("broken", text=fail), Task()], wanted)
    assert [document.task for document in texts] == ["quiz"]
    (note,) = texts.notes
    assert note.startswith(f"broken: its documents cannot be read as text: {type(error).__name__}")


def test_a_task_that_has_no_documents_is_noted() -> None:
    class Odd:
        task_name = "odd"

    texts = DocumentTexts([Odd()], {"odd": {0}})
    assert list(texts) == []
    assert "AttributeError" in texts.notes[0]


def test_an_error_is_noted_once_however_often_the_texts_are_read() -> None:
    texts = DocumentTexts([Task(text="missing")], {"quiz": {0}})
    assert [list(texts), list(texts)] == [[], []]
    assert len(texts.notes) == 1


def test_escape_sequences_in_an_error_do_not_reach_the_reader() -> None:
    def fail(document: Any) -> Any:
        raise ValueError("\x1b[31mred\nline")

    texts = DocumentTexts([Task(text=fail)], {"quiz": {0}})
    list(texts)
    assert "\x1b" not in texts.notes[0]
    assert "\n" not in texts.notes[0]


def test_a_task_that_is_not_planned_is_left_alone() -> None:
    texts = DocumentTexts([Task(text="missing")], {})
    assert list(texts) == []
    assert texts.notes == []
