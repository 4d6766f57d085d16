"""The record of how a training rendered prompts, and where two renderings part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rdagent.errors import ResultError
from rdagent.inside.evaluate.trained_prompts import rendering_notes
from rdagent.records.rendering import RENDERING_FILE, Rendered, Rendering, Side, difference


def side(*tokens: str, shift: int = 0) -> Side:
    return Side(tuple(ord(token[0]) + shift for token in tokens), tokens)


def test_equal_ids_are_no_difference() -> None:
    assert difference(side("a", "b"), side("a", "b")) is None


def test_the_first_difference_is_shown_from_both_sides() -> None:
    said = difference(side("a", "b", "c"), side("a", "x", "c"))
    assert said is not None
    assert "the texts differ from token 1" in said
    assert "training has a|b|c, evaluation has a|x|c" in said


def test_equal_texts_in_other_tokens_are_a_difference() -> None:
    said = difference(Side((1, 2), ("1", "2")), Side((3,), ("12",)))
    assert said is not None
    assert said.startswith("the same text is cut into other tokens from token 0")


def test_a_rendering_that_goes_on_longer_is_a_difference() -> None:
    said = difference(side("a"), side("a", "b"))
    assert said is not None
    assert "from token 1" in said


def test_escape_sequences_in_tokens_do_not_reach_the_reader() -> None:
    said = difference(side("\x1b[31mred"), side("x"))
    assert said is not None
    assert "\x1b" not in said


class Model:
    """Renders messages by joining them; encodes by character."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix, self.tokenizer = prefix, self

    def apply_chat_template(self, messages: list[dict[str, str]]) -> str:
        if self.prefix == "raise":
            raise ValueError("no system role")
        return self.prefix + "".join(message["content"] for message in messages)

    def tok_encode(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(number) for number in ids)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    prompt = Rendered("sample", ({"role": "user", "content": "ab"},), (97, 98), ("a", "b"))
    record = Rendering("qwen", "5.5.4", (prompt,))
    (tmp_path / RENDERING_FILE).write_text(json.dumps(record.to_json()))
    return tmp_path


def notes(adapter: Path, model: Any, *, chat: bool = True) -> list[str]:
    return rendering_notes(str(adapter), model, chat=chat)


@pytest.fixture(autouse=True)
def _version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "5.19.0")


def test_what_is_rendered_alike_gives_no_note(adapter: Path) -> None:
    assert notes(adapter, Model()) == []


def test_what_is_rendered_otherwise_is_a_note_with_template_and_versions(adapter: Path) -> None:
    (note,) = notes(adapter, Model("<s>"))
    assert "training with template qwen and evaluation render the sample differently" in note
    assert "transformers 5.5.4 and 5.19.0" in note


def test_a_template_that_refuses_the_messages_is_a_note(adapter: Path) -> None:
    assert "refuses it (ValueError)" in notes(adapter, Model("raise"))[0]


def test_an_evaluation_without_a_template_is_a_note(adapter: Path) -> None:
    assert notes(adapter, Model(), chat=False) == [
        "trained with a chat template, evaluated without one"
    ]


def test_an_adapter_without_a_record_and_a_base_say_nothing(tmp_path: Path) -> None:
    assert notes(tmp_path, Model()) == []
    assert rendering_notes(None, Model(), chat=False) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "rdagent.rendering/1"}'])
def test_a_record_that_is_damaged_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / RENDERING_FILE).write_text(text)
    assert notes(tmp_path, Model()) == []


def test_a_record_of_another_version_is_not_read() -> None:
    with pytest.raises(ResultError):
        Rendering.from_json({"schema": "rdagent.rendering/9"})
