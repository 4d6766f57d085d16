"""Context lengths and notes from a model's and an adapter's files."""

import json
from pathlib import Path

import pytest

from rdagent.errors import JobFailed
from rdagent.inside.evaluate import model_files


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 32768}))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0}}}))
    return folder


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    return folder


def test_the_length_is_4096_at_most_by_default(base: Path) -> None:
    assert model_files.read(base, None).max_model_len == 4096


def test_a_shorter_context_is_kept(base: Path) -> None:
    (base / "config.json").write_text(json.dumps({"max_position_embeddings": 512}))
    assert model_files.read(base, None).max_model_len == 512


def test_a_length_over_the_context_is_cut_with_a_note(base: Path) -> None:
    model = model_files.read(base, 99999)
    assert model.max_model_len == 32768
    assert model.notes


def test_the_text_part_of_a_config_goes_before_the_whole() -> None:
    config = {"max_position_embeddings": 8, "text_config": {"max_position_embeddings": 16}}
    assert model_files.context_of(config) == 16


def test_a_folder_without_a_config_is_no_model(adapter: Path) -> None:
    with pytest.raises(JobFailed, match="no model"):
        model_files.read(adapter, None)


def test_a_repetition_penalty_is_noted(base: Path) -> None:
    (base / "generation_config.json").write_text(json.dumps({"repetition_penalty": 1.05}))
    assert "repetition_penalty=1.05" in model_files.read(base, None).notes[0]


def test_a_neutral_generation_config_needs_no_note(base: Path) -> None:
    (base / "generation_config.json").write_text(json.dumps({"repetition_penalty": 1.0}))
    assert model_files.read(base, None).notes == ()


def test_an_adapter_without_tokenizer_files_needs_no_note(base: Path, adapter: Path) -> None:
    assert model_files.adapter_notes(model_files.read(base, None), str(adapter)) == []


def test_another_template_in_the_adapter_is_noted(base: Path, adapter: Path) -> None:
    (adapter / "chat_template.jinja").write_text("{{ other }}")
    (note,) = model_files.adapter_notes(model_files.read(base, None), str(adapter))
    assert "another chat template" in note


def test_the_same_template_in_another_file_is_the_same(base: Path, adapter: Path) -> None:
    (adapter / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    assert model_files.adapter_notes(model_files.read(base, None), str(adapter)) == []


def test_another_vocabulary_in_the_adapter_is_noted(base: Path, adapter: Path) -> None:
    (adapter / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"b": 0}}}))
    (note,) = model_files.adapter_notes(model_files.read(base, None), str(adapter))
    assert "another tokenizer" in note
