"""When an evaluation of one variant counts as complete."""

from types import SimpleNamespace
from typing import Any

from rdagent.inside.evaluate.variant import check_complete


def status(results: dict[str, Any], limit: float | None = None) -> Any:
    selected: Any = SimpleNamespace(expected={"a": ("a",), "tag": ("b", "c")})
    return check_complete(results, selected, limit)


def results(*tasks: str, documents: int = 4, original: int = 4) -> dict[str, Any]:
    rows = [{"doc_id": number} for number in range(documents)]
    return {
        "results": {task: {} for task in tasks},
        "samples": {task: rows for task in tasks},
        "n-samples": {task: {"original": original} for task in tasks},
    }


def test_every_task_with_every_document_is_ok() -> None:
    assert status(results("a", "b", "c")).reason == "ok"


def test_a_tag_with_a_task_missing_is_incomplete() -> None:
    found = status(results("a", "b"))
    assert (found.reason, found.message) == ("incomplete", "no results for: tag")


def test_a_task_with_a_document_missing_is_incomplete() -> None:
    found = status(results("a", "b", "c", documents=3))
    assert (found.reason, found.message) == ("incomplete", "a: 3 of 4 documents scored")


def test_a_limit_lowers_what_is_expected() -> None:
    assert status(results("a", "b", "c", documents=2), limit=2).reason == "ok"
