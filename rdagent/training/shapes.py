"""The sizes of a base model, from the headers of its weights and its configuration.

A few kilobytes are read of each file; ``memory`` computes with what comes out.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

HEADER_LIMIT = 100 << 20
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1}
_HEAD = "lm_head"


@dataclass(frozen=True, slots=True)
class Matrix:
    """The weight of one linear layer."""

    #: Its module, such as ``model.layers.0.self_attn.q_proj``.
    module: str
    inputs: int
    outputs: int

    @property
    def parameters(self) -> int:
        """How many numbers it holds."""
        return self.inputs * self.outputs


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What of a model decides how much memory its training takes."""

    parameters: int
    stored_bytes: int
    #: Linear layers but the head: what LoRA and quantization work on.
    linears: tuple[Matrix, ...]
    layers: int
    hidden: int
    intermediate: int
    heads: int
    #: Outputs of the key and of the value projection.
    key_value: int
    vocabulary: int


def read_shape(folder: Path, config: Mapping[str, Any]) -> ModelShape | None:
    """Return a model's sizes; None when its files do not say enough.

    Whether the files are whole is the matter of the room ``models``.
    """
    text = config.get("text_config")
    given = {**config, **(text if isinstance(text, dict) else {})}
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
    if not all(isinstance(given.get(name), int) and given[name] > 0 for name in names):
        return None
    layers, hidden, heads, vocabulary = (int(given[name]) for name in names)
    head_size = given.get("head_dim") or hidden // heads
    try:
        tensors = [each for path in sorted(folder.glob("*.safetensors")) for each in _tensors(path)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None
    return ModelShape(
        parameters=sum(prod(tensor.shape) for tensor in tensors),
        stored_bytes=sum(prod(tensor.shape) * tensor.width for tensor in tensors),
        linears=tuple(_linears(tensors)),
        layers=layers,
        hidden=hidden,
        intermediate=int(given.get("intermediate_size") or 4 * hidden),
        heads=heads,
        key_value=int(given.get("num_key_value_heads") or heads) * int(head_size),
        vocabulary=vocabulary,
    )


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    width: int


def _tensors(path: Path) -> Iterator[_Tensor]:
    with path.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > HEADER_LIMIT:
            raise ValueError(f"the header of {path} is said to have {length} bytes")
        header = json.loads(stream.read(length))
    for name, entry in header.items():
        if name != "__metadata__":
            shape = tuple(int(size) for size in entry["shape"])
            yield _Tensor(name, shape, _BYTES.get(entry["dtype"], 2))


def _linears(tensors: list[_Tensor]) -> Iterator[Matrix]:
    for tensor in tensors:
        module = tensor.name.removesuffix(".weight")
        is_table = "embed" in module or module.split(".")[-1] == _HEAD
        if tensor.name.endswith(".weight") and len(tensor.shape) == 2 and not is_table:
            yield Matrix(module, inputs=tensor.shape[1], outputs=tensor.shape[0])
