"""The words of single items, fetched from where ``items`` said they begin.

A stranger's text: cut to a length and made printable before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rdagent.comparison import rows
from rdagent.comparison.lines import open_lines, row_at
from rdagent.comparison.rows import Row
from rdagent.comparison.sides import Item, ItemText, TaskItems
from rdagent.errors import ResultError
from rdagent.files.printable import one_line, printable

TEXT_LIMIT = 20_000
#: A field by which documents are sorted is no longer than this.
_FIELD_LIMIT = 300
#: Where documents keep what they ask, the usual names first.
_QUESTION_FIELDS = (
    "question", "problem", "goal", "query", "input", "instruction", "prompt", "ctx", "sentence",
    "text",
)  # fmt: skip
_DOCUMENT_FIELDS = 200
#: Choices that differ before the words that are scored are told apart by so much of it.
_CONTEXT = 200


def read_texts(items: TaskItems, wanted: Sequence[Item]) -> dict[int, ItemText]:
    """Return document → its words, for the items that are wanted; a row that is gone has none."""
    found: dict[int, ItemText] = {}
    for item, row in _rows(items, wanted):
        found[item.doc_id] = ItemText(
            question=cut(question_of(row)),
            target=cut(_target(row)),
            answer=cut(answer_of(row)),
            extracted=cut(_extracted(row)),
            document=_document(row),
        )
    return found


def read_fields(items: TaskItems, fields: Sequence[str]) -> dict[int, dict[str, str]]:
    """Return document → those of the fields that it has, as short texts."""
    found: dict[int, dict[str, str]] = {}
    for item, row in _rows(items, items.items):
        told = row.get("doc")
        document = told if isinstance(told, dict) else {}
        found[item.doc_id] = {
            name: text for name in fields if (text := _field(document.get(name))) is not None
        }
    return found


def read_lengths(items: TaskItems) -> dict[int, int]:
    """Return document → how many characters its question has."""
    return {item.doc_id: len(question_of(row)) for item, row in _rows(items, items.items)}


def _rows(items: TaskItems, wanted: Sequence[Item]) -> Iterator[tuple[Item, Row]]:
    """Yield the rows of items in the order of the file; a file that is gone has none."""
    try:
        with open_lines(items.path) as stream:
            for item in sorted(wanted, key=lambda one: one.offset):
                row = row_at(stream, item.offset)
                if row is not None and rows.doc_id_of(row) == item.doc_id:
                    yield item, row
    except ResultError:
        return


def cut(text: str) -> str:
    """Return a stranger's text, printable and not longer than one looks at."""
    if len(text) > TEXT_LIMIT:
        text = f"{text[:TEXT_LIMIT]}… ({len(text)} characters)"
    return printable(text)


def question_of(row: Row) -> str:
    """Return what was asked: the document's own question, else the end of the prompt."""
    document = row.get("doc")
    if isinstance(document, dict):
        for name in _QUESTION_FIELDS:
            value = document.get(name)
            if isinstance(value, str) and value.strip():
                return value
    prompt = rows.prompt_of(row) or ""
    return prompt if len(prompt) <= TEXT_LIMIT else f"…{prompt[-TEXT_LIMIT + 1 :]}"


def answer_of(row: Row) -> str:
    """Return what was answered: the first generated text, or the choice that is most likely."""
    if rows.is_generated(row):
        return next(iter(rows.answers_of(row)), "")
    chosen = chosen_of(row)
    if chosen is None:
        return ""
    return choice_text(rows.requests_of(row), chosen)


def choice_text(requests: Sequence[Sequence[Any]], place: int) -> str:
    """Return a choice's words: its continuation, or where all have one, what stands before it."""
    words = [str(request[1]) if len(request) > 1 else "" for request in requests]
    if len(set(words)) > 1:
        return words[place].strip()
    before = str(requests[place][0]) if requests[place] else ""
    return f"{before[-_CONTEXT:]}{words[place]}".strip()


def chosen_of(row: Row) -> int | None:
    """Return the place of the choice with the greatest log-likelihood; None without choices."""
    found = rows.likelihoods_of(row)
    requests = rows.requests_of(row)
    known = [place for place, value in enumerate(found[: len(requests)]) if value is not None]
    if len(known) < 2:
        return None
    return max(known, key=lambda place: (found[place], -place))


def _target(row: Row) -> str:
    target = row.get("target")
    text = target if isinstance(target, str) else _plain(target)
    return _choice(row, text) or text


def _choice(row: Row, text: str) -> str:
    """Return the text of the choice that a target names by its number, with the number."""
    if rows.is_generated(row) or not text.strip().isdecimal():
        return ""
    requests = rows.requests_of(row)
    place = int(text) if len(text) < 6 else len(requests)
    if len(requests) < 2 or place >= len(requests):
        return ""
    return f"{text.strip()}: {choice_text(requests, place)}"


def _extracted(row: Row) -> str:
    if rows.is_generated(row):
        return "\n".join(rows.extracted_of(row)[:20])
    chosen = chosen_of(row)
    return "" if chosen is None else str(chosen)


def _document(row: Row) -> Mapping[str, Any]:
    told = row.get("doc")
    if not isinstance(told, dict):
        return {}
    return {
        one_line(str(name), 100): value for name, value in list(told.items())[:_DOCUMENT_FIELDS]
    }


def _field(value: Any) -> str | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str | int | float):
        return None
    text = str(value)
    if len(text) <= _FIELD_LIMIT:
        return one_line(text, _FIELD_LIMIT)
    # A passage: two that begin alike stay two.
    return f"{one_line(text, _FIELD_LIMIT)} ({rows.text_hash(text)[:12]})"


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, int | float) else ""
