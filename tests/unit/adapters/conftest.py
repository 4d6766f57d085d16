"""A small sound adapter and its base, written without torch, and a way to break them."""

import json
import struct
from pathlib import Path

import numpy
import pytest

from rdagent.adapters.base import BaseFiles
from rdagent.adapters.check import check_adapter

HIDDEN, KV, INNER, LAYERS, VOCABULARY, RANK = 16, 8, 32, 3, 40, 4
BASE_CONFIG = {
    "model_type": "qwen2",
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
}
CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "some/base",
    "r": RANK,
    "lora_alpha": 8,
    "target_modules": ["q_proj", "v_proj"],
    "bias": "none",
}
PREFIX = "base_model.model.model"
_TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "I32": "<i4", "U8": "u1"}


def encode(values, dtype: str) -> bytes:
    values = numpy.asarray(values, dtype=numpy.float64)
    if dtype == "BF16":
        return (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return values.astype(_TYPES[dtype]).tobytes()


def safetensors(tensors: dict, dtype: str = "F32", metadata: dict | None = None) -> bytes:
    header, content = {"__metadata__": metadata or {"format": "pt"}}, b""
    for name, values in tensors.items():
        data = encode(values, dtype)
        place = [len(content), len(content) + len(data)]
        header[name] = {"dtype": dtype, "shape": list(numpy.shape(values)), "data_offsets": place}
        content += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def lora_tensors(outputs: dict[str, int] | None = None, rank: int = RANK) -> dict:
    random = numpy.random.default_rng(0)
    found = {}
    for layer in range(LAYERS):
        for module, size in (outputs or {"q_proj": HIDDEN, "v_proj": KV}).items():
            name = f"{PREFIX}.layers.{layer}.self_attn.{module}"
            found[f"{name}.lora_A.weight"] = random.normal(0, 0.2, (rank, HIDDEN))
            found[f"{name}.lora_B.weight"] = random.normal(0, 0.01, (size, rank))
    return found


class Bench:
    """An adapter's folder and its base's; a test changes what it wants."""

    def __init__(self, place: Path) -> None:
        self.folder, self.base_folder = place / "adapter", place / "base"
        self.folder.mkdir()
        self.tensors = lora_tensors()
        self.write_config()
        self.write_weights()
        self.write_base()

    @property
    def weights(self) -> Path:
        return self.folder / "adapter_model.safetensors"

    def write_config(self, without=(), **changes) -> None:
        config = {key: value for key, value in {**CONFIG, **changes}.items() if key not in without}
        (self.folder / "adapter_config.json").write_text(json.dumps(config))

    def write_weights(self, dtype: str = "F32") -> None:
        self.weights.write_bytes(safetensors(self.tensors, dtype))

    def write_base(self, **changes) -> None:
        self.base_folder.mkdir(exist_ok=True)
        (self.base_folder / "config.json").write_text(json.dumps({**BASE_CONFIG, **changes}))
        tensors = {"model.embed_tokens.weight": numpy.ones((VOCABULARY, HIDDEN))}
        sizes = {"q_proj": (HIDDEN, HIDDEN), "k_proj": (KV, HIDDEN), "v_proj": (KV, HIDDEN)}
        for layer in range(LAYERS):
            for module, shape in sizes.items():
                tensors[f"model.layers.{layer}.self_attn.{module}.weight"] = numpy.ones(shape)
            tensors[f"model.layers.{layer}.input_layernorm.weight"] = numpy.ones(HIDDEN)
        (self.base_folder / "model.safetensors").write_bytes(safetensors(tensors))

    def a(self, layer: int = 0, module: str = "q_proj") -> str:
        return f"{PREFIX}.layers.{layer}.self_attn.{module}.lora_A.weight"

    def b(self, layer: int = 0, module: str = "q_proj") -> str:
        return self.a(layer, module).replace("lora_A", "lora_B")

    def check(self, *, with_base: bool = False, named: BaseFiles | None = None):
        base = BaseFiles(self.base_folder) if with_base else None
        return check_adapter(self.folder, base=base, named_base=named)

    def codes(self, severity: str | None = None, **options) -> list[str]:
        found = self.check(**options).problems
        return [p.code for p in found if severity in (None, p.severity)]

    def errors(self, **options) -> list[str]:
        return self.codes("error", **options)


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)
