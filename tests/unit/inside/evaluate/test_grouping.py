"""Which variants share one start of an engine."""

import json
import struct
from pathlib import Path

import pytest

from rdagent.inside.evaluate.grouping import groups_of
from rdagent.records.requests import EvaluateRequest, Variant

LORA = "base_model.model.model.layers.0.q_proj.lora_A.weight"
EMBEDDINGS = "base_model.model.model.embed_tokens.weight"


def weights(path: Path, **shapes: list[int]) -> None:
    header = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in shapes.items()
    }
    content = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content)


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    weights(folder / "model.safetensors", **{"model.embed_tokens.weight": [8, 4]})
    return folder


@pytest.fixture
def adapter(tmp_path):
    def make(name, rows=None, *, tokenizer=False, **config):
        folder = tmp_path / name
        folder.mkdir()
        told = {"peft_type": "LORA", "bias": "none", "init_lora_weights": True, **config}
        (folder / "adapter_config.json").write_text(json.dumps(told))
        embeddings = {} if rows is None else {EMBEDDINGS: [rows, 4]}
        weights(folder / "adapter_model.safetensors", **{LORA: [2, 4]}, **embeddings)
        if tokenizer:
            (folder / "tokenizer_config.json").write_text("{}")
        return folder

    return make


def names(*variants: Variant) -> list[list[str]]:
    request = EvaluateRequest(variants, ("t",), "/out", "hf")
    return [[one.name for one in group.variants] for group in groups_of(request)]


def variant(model: Path, folder: Path, *, merge: bool = False) -> Variant:
    return Variant(folder.name, str(model), str(folder), merge)


def test_the_base_and_plain_adapters_share_one_engine_and_the_base_answers_first(model, adapter):
    a, b = (variant(model, adapter(name)) for name in "ab")
    assert names(a, Variant("base", str(model)), b) == [["base", "a", "b"]]


def test_another_model_is_another_engine(model, adapter, tmp_path):
    other = Variant("other", str(tmp_path / "other"))
    assert names(Variant("base", str(model)), other) == [["base"], ["other"]]


def test_an_adapter_that_is_merged_is_a_model_of_its_own(model, adapter):
    a, b = (variant(model, adapter(name), merge=True) for name in "ab")
    assert names(Variant("base", str(model)), a, b) == [["base"], ["a"], ["b"]]


@pytest.mark.parametrize(
    "config",
    [
        {"bias": "lora_only"},
        {"use_dora": True},
        {"modules_to_save": ["lm_head"]},
        {"trainable_token_indices": [1]},
        {"layer_replication": [[0, 1]]},
        {"target_parameters": ["experts.weight"]},
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora"},
    ],
)
def test_an_adapter_that_changes_the_base_for_good_has_an_engine_of_its_own(model, adapter, config):
    a, odd = variant(model, adapter("a")), variant(model, adapter("odd", **config))
    assert names(odd, a, Variant("base", str(model))) == [["odd"], ["base", "a"]]


@pytest.mark.parametrize("beginning", [True, False, None, "gaussian"])
def test_how_an_adapter_began_matters_only_where_it_was_split_off_the_base(
    model, adapter, beginning
):
    a = variant(model, adapter("a", init_lora_weights=beginning))
    assert names(a, Variant("base", str(model))) == [["base", "a"]]


@pytest.mark.parametrize("rows", [8, 9])
def test_an_adapter_that_brings_embeddings_has_an_engine_of_its_own(model, adapter, rows):
    a, brings = variant(model, adapter("a")), variant(model, adapter("brings", rows))
    assert names(a, brings, Variant("base", str(model))) == [["base", "a"], ["brings"]]


def test_an_adapter_with_a_vocabulary_of_its_own_has_an_engine_of_its_own(model, adapter):
    resized = variant(model, adapter("resized", 9, tokenizer=True))
    assert names(Variant("base", str(model)), resized) == [["base"], ["resized"]]
