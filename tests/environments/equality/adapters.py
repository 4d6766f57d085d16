"""Adapters to compare with, made from random numbers: what they are good for does not matter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.environments.equality.sides import MODEL

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Made:
    """Folders of adapters by name."""

    plain: dict[str, Path]
    #: Its weights are named after layers that the model does not have.
    stranger: Path
    #: Its rank is not that of the others, and a module is left out.
    small: Path


def make(folder: Path) -> Made:
    """Write the adapters into a folder."""
    plain = {
        name: _one(folder / name, seed, LoraConfig(r=4, target_modules=["q_proj", "down_proj"]))
        for seed, name in enumerate(("first", "second"))
    }
    small = LoraConfig(r=2, target_modules=["v_proj"], lora_dropout=0.5)
    return Made(
        plain, _misnamed(plain["first"], folder / "stranger"), _one(folder / "small", 5, small)
    )


def _one(folder: Path, seed: int, config: LoraConfig) -> Path:
    torch.manual_seed(seed)
    config.init_lora_weights = False  # random instead of a change of nothing
    config.task_type = "CAUSAL_LM"
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(str(MODEL)), config)
    model.save_pretrained(str(folder))
    return folder


def _misnamed(source: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text((source / CONFIG).read_text("utf-8"), "utf-8")
    tensors = load_file(str(source / WEIGHTS))
    named = {name.replace(".layers.", ".blocks."): value for name, value in tensors.items()}
    save_file(named, str(folder / WEIGHTS), metadata={"format": "pt"})
    assert json.loads((folder / CONFIG).read_text("utf-8"))["peft_type"] == "LORA"
    return folder
