"""An adapter whose weights belong nowhere is found from the files' headers."""

import json
from pathlib import Path

import pytest

from rdagent.inside.evaluate.adapter_names import strangers


def write_weights(path: Path, *names: str) -> Path:
    header = json.dumps({name: {"dtype": "F32"} for name in names}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path.parent


@pytest.fixture
def base(tmp_path: Path) -> Path:
    names = ("model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight")
    return write_weights(tmp_path / "base" / "model.safetensors", *names)


def adapter(tmp_path: Path, *modules: str) -> Path:
    names = [f"base_model.model.{module}.lora_A.weight" for module in modules]
    return write_weights(tmp_path / "adapter" / "adapter_model.safetensors", *names)


def test_modules_that_the_base_has_are_no_strangers(base: Path, tmp_path: Path) -> None:
    assert strangers(base, adapter(tmp_path, "model.layers.0.mlp.up_proj")) == []


def test_a_module_under_another_name_is_a_stranger(base: Path, tmp_path: Path) -> None:
    found = strangers(base, adapter(tmp_path, "model.blocks.0.mlp.up_proj"))
    assert found == ["model.blocks.0.mlp.up_proj"]


def test_a_layer_that_the_base_lacks_is_a_stranger(base: Path, tmp_path: Path) -> None:
    assert strangers(base, adapter(tmp_path, "model.layers.1.mlp.up_proj"))


def test_what_stands_before_the_layers_does_not_matter(base: Path, tmp_path: Path) -> None:
    assert strangers(base, adapter(tmp_path, "model.language_model.layers.0.mlp.up_proj")) == []


def test_a_tied_output_layer_is_no_stranger(base: Path, tmp_path: Path) -> None:
    assert strangers(base, adapter(tmp_path, "lm_head")) == []


def test_files_that_cannot_be_read_prove_nothing(base: Path, tmp_path: Path) -> None:
    assert strangers(base, tmp_path) == []
