"""What adapters of every sort leave on a base they are taken off, and who shares its engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from rdagent.inside.evaluate import peft_model
from rdagent.inside.evaluate.grouping import groups_of
from rdagent.records.requests import Variant
from tests.environments.equality import sides
from tests.environments.equality.adapters import Made
from tests.environments.equality.sides import Asked

SORTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "gaussian": {"init_lora_weights": "gaussian"},
    "scaled by rank": {"use_rslora": True},
    "pissa": {"init_lora_weights": "pissa"},
    "olora": {"init_lora_weights": "olora"},
    "brings embeddings": {},
    "on embeddings": {"target_modules": ["embed_tokens", "q_proj"]},
    "saved modules": {"modules_to_save": ["norm"]},
    "dora": {"use_dora": True},
}


def leaks(folder: Path, made: Made) -> dict[str, Any]:
    """Put each sort on a base and take it off again."""
    before = peft_model.probe(_base())
    facts = {}
    for name, config in SORTS.items():
        _save(folder / name, config, brings_embeddings=name == "brings embeddings")
        model = peft_model.put_on(_base(), folder / name, "cpu")
        effect = float((peft_model.probe(model) - before).abs().max())
        after = peft_model.probe(peft_model.taken_off(model))
        variants = [Variant("base", str(sides.MODEL))]
        variants.append(Variant("tuned", str(sides.MODEL), str(folder / name)))
        request = sides.request_of(Asked(("eq_letters",)), folder, variants)
        facts[name] = {
            "effect": effect,
            "left": float((after - before).abs().max()),
            "shares": len(groups_of(request)) == 1,
        }
    return facts


def _base() -> Any:
    return AutoModelForCausalLM.from_pretrained(str(sides.MODEL)).eval()


def _save(folder: Path, config: dict[str, Any], *, brings_embeddings: bool) -> None:
    torch.manual_seed(3)
    told = {"r": 4, "target_modules": ["q_proj", "down_proj"], "task_type": "CAUSAL_LM", **config}
    model = get_peft_model(_base(), LoraConfig(**told))
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data += 0.05 * torch.randn_like(weight)
    if brings_embeddings:
        model.get_input_embeddings().weight.data += 0.05
    model.save_pretrained(str(folder), save_embedding_layers=brings_embeddings)


CHECKS: dict[str, Callable[[Path, Made], dict[str, Any]]] = {"leaks": leaks}
