"""Context lengths and notes from a model's and an adapter's files."""

import json
import struct
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


def write_tables(path: Path, **rows: int) -> None:
    header = {name: {"shape": [count, 8]} for name, count in rows.items()}
    text = json.dumps({"__metadata__": {}, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)


@pytest.fixture
def tables(base: Path, adapter: Path) -> None:
    write_tables(base / "model.safetensors", **{"model.embed_tokens.weight": 100})
    (adapter / "tokenizer_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("name", "rows", "own"),
    [
        ("base_model.model.model.embed_tokens.weight", 102, True),
        ("base_model.model.model.embed_tokens.weight", 100, False),
        ("base_model.model.lm_head.weight", 102, True),
        ("base_model.model.model.layers.0.q_proj.lora_A.weight", 102, False),
    ],
)
def test_the_adapters_tokenizer_is_used_when_it_resized_the_vocabulary(
    base: Path, adapter: Path, tables: None, name: str, rows: int, own: bool
) -> None:
    write_tables(adapter / "adapter_model.safetensors", **{name: rows})
    assert model_files.tokenizer_folder(base, str(adapter)) == (adapter if own else base)


def test_a_resized_vocabulary_without_a_tokenizer_leaves_the_bases(
    base: Path, adapter: Path, tables: None
) -> None:
    (adapter / "tokenizer_config.json").unlink()
    write_tables(adapter / "adapter_model.safetensors", **{"x.embed_tokens.weight": 102})
    assert model_files.tokenizer_folder(base, str(adapter)) == base


def test_without_an_adapter_the_models_own_tokenizer_is_used(base: Path) -> None:
    assert model_files.tokenizer_folder(base, None) == base
