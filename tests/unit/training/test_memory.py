"""The memory of a training, against sums that were worked out by hand."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rdagent.demo import paths
from rdagent.errors import RefusedError
from rdagent.models.resolve import LocalModel
from rdagent.training import outlook
from rdagent.training.memory import GIBIBYTE, Work, estimate, largest_knob, work_of
from rdagent.training.outlook import look_ahead
from rdagent.training.shapes import Matrix, ModelShape, read_shape

#: Two layers of a projection 4 to 4 and one 8 to 4: 96 numbers; a table of 10 by 4: 40.
SHAPE = ModelShape(
    parameters=136,
    stored_bytes=272,
    linears=tuple(
        matrix
        for layer in range(2)
        for matrix in (Matrix(f"l.{layer}.q_proj", 4, 4), Matrix(f"l.{layer}.down_proj", 8, 4))
    ),
    layers=2,
    hidden=4,
    intermediate=8,
    heads=2,
    key_value=2,
    vocabulary=10,
)
#: 15 tokens; LoRA adds 2 * (8 + 12) numbers a layer: 80.
WORK = Work(device="cuda", rank=2, batch=3, length=5)


@pytest.mark.parametrize(
    ("changes", "weights", "trained"),
    [
        ({}, 136 * 2, 80 * 16),
        ({"width": 4}, 136 * 4, 80 * 16),
        ({"targets": ("q_proj",)}, 136 * 2, 32 * 16),
        ({"saved": ("embed_tokens",)}, 136 * 2, (80 + 40) * 16),
        ({"optimizer": "paged_adamw_8bit"}, 136 * 2, 80 * 10),
        ({"optimizer": "sgd"}, 136 * 2, 80 * 8),
        ({"quantized_bits": 4}, 49 + 40 * 2, 80 * 16),
        ({"method": "full"}, 136 * 2, 136 * 16),
        ({"method": "full", "width": 4}, 0, 136 * 16),
        ({"method": "full", "pure_bf16": True}, 0, 136 * 8),
        ({"method": "freeze", "trained_layers": 1}, 136 * 2, 48 * 16),
    ],
)
def test_weights_and_what_is_trained(changes: dict[str, Any], weights: int, trained: int) -> None:
    found = estimate(SHAPE, replace(WORK, **changes))
    assert (found.weights, found.trained) == (weights, trained)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # A layer keeps 15 * (10*4 + 4*2 + 4*8 + the adapters' 12) * 2 = 2760 bytes.
        ({}, 2 * 15 * 4 * 2 + 2760),
        ({"checkpoints": False}, 2 * 2760),
        # In 32 bits the adapters take the input as it is: 15 * 80 * 4 = 4800.
        ({"width": 4}, 2 * 15 * 4 * 4 + 4800),
        # Five numbers for each pair of tokens and head: 5 * 2 * 5 * 15.
        ({"eager_attention": True}, 240 + 2760 + 750),
    ],
)
def test_activations(changes: dict[str, Any], expected: int) -> None:
    assert estimate(SHAPE, replace(WORK, **changes)).activations == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, 15 * 10 * 10), ({"width": 4}, 15 * 10 * 12), ({"fused_loss": True}, 0)],
)
def test_logits_count_and_a_fused_loss_takes_them_away(
    changes: dict[str, Any], expected: int
) -> None:
    assert estimate(SHAPE, replace(WORK, **changes)).logits == expected


def test_logits_of_a_large_vocabulary_are_the_12_gib_that_they_are() -> None:
    shape = replace(SHAPE, vocabulary=151_936)
    found = estimate(shape, replace(WORK, batch=4, length=2048))
    assert round(found.logits / GIBIBYTE, 1) == 11.6


def test_what_the_file_leaves_out_has_llama_factorys_defaults() -> None:
    work = work_of({}, device="cuda", stored_dtype="bfloat16")
    assert work == Work(device="cuda")


def test_rows_that_are_shorter_than_the_cut_bound_the_length() -> None:
    values = {"cutoff_len": 4096}
    assert work_of(values, device="cpu", longest_row=300).length == 556
    assert work_of({**values, "packing": True}, device="cpu", longest_row=300).length == 4096


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch": 8, "length": 4096}, "per_device_train_batch_size (8)"),
        ({"batch": 1, "length": 4096, "checkpoints": False}, "disable_gradient_checkpointing"),
        ({"batch": 1, "length": 4096}, "cutoff_len (4096)"),
        ({"method": "full", "batch": 1, "length": 1}, "finetuning_type: lora"),
        ({"rank": 1, "targets": ("q_proj",), "batch": 1, "length": 1}, "quantization_bit: 4"),
        ({"batch": 1, "length": 1}, "lora_rank (2)"),
    ],
)
def test_the_largest_part_says_what_to_change(changes: dict[str, Any], said: str) -> None:
    shape = replace(SHAPE, parameters=1000)
    if "lora_rank" in said:
        shape = replace(shape, parameters=136)
    work = replace(WORK, **changes)
    assert said in largest_knob(estimate(shape, work), work)


def test_the_demos_model_is_read_from_its_header() -> None:
    config = json.loads((paths.MODEL / "config.json").read_text())
    shape = read_shape(paths.MODEL, config)
    assert shape is not None
    assert len(shape.linears) == 7 * shape.layers
    assert shape.stored_bytes < (paths.MODEL / "model.safetensors").stat().st_size


@pytest.mark.parametrize("content", [b"", b"weights", struct.pack("<Q", 1 << 60) + b"{}"])
def test_weights_that_cannot_be_read_give_no_estimate(tmp_path: Path, content: bytes) -> None:
    config = json.loads((paths.MODEL / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(content)
    assert read_shape(tmp_path, config) is None


def ahead(monkeypatch: pytest.MonkeyPatch, capacity: int, **values: Any) -> Any:
    config = json.loads((paths.MODEL / "config.json").read_text())
    monkeypatch.setattr(outlook, "gpu_memory", lambda uuid: capacity)
    model = LocalModel("m", paths.MODEL, paths.MODEL, config)
    return look_ahead(values, model, gpus=("gpu",), memory_limit=0, longest_row=None)


def test_weights_that_are_larger_than_the_device_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RefusedError, match="cannot fit"):
        ahead(monkeypatch, 1 << 20, finetuning_type="full")


def test_weights_that_deepspeed_may_place_elsewhere_are_not_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not ahead(monkeypatch, 1 << 20, finetuning_type="full", deepspeed="ds.json").fits


def test_a_batch_that_may_not_fit_is_a_note_with_what_to_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (note,) = ahead(monkeypatch, 2 << 30, per_device_train_batch_size=512).notes()
    assert "may not fit" in note
    assert "per_device_train_batch_size (512)" in note


def test_a_training_that_fits_is_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ahead(monkeypatch, 80 << 30).notes() == ()


def test_a_device_that_does_not_say_its_size_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ahead(monkeypatch, None).fits  # type: ignore[arg-type]


def test_rows_that_turn_out_short_need_less_unless_they_are_packed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = ahead(monkeypatch, 80 << 30)
    packed = ahead(monkeypatch, 80 << 30, packing=True)
    assert found.for_rows_of(100).total < found.estimate.total
    assert packed.for_rows_of(100) == packed.estimate
    assert found.for_rows_of(None) == found.estimate
