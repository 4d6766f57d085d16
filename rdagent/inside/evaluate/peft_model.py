"""Put an adapter on a model that transformers has loaded, and see that it takes hold.

peft alone loads an adapter that fits nothing without a word.  Used by ``hf_engine``
and by ``merge``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, get_peft_model

from rdagent.errors import AdapterInvalid
from rdagent.inside.evaluate import failures, model_files

PROBE_TOKENS = 32


def put_on(base: Any, folder: Path, device: str) -> Any:
    """Return the model with the adapter; raises AdapterInvalid when the two do not fit."""
    model = None
    try:
        config = PeftConfig.from_pretrained(str(folder))
        config.inference_mode = True
        _make_room(base, folder)
        model = get_peft_model(base, config)
        result = model.load_adapter(
            str(folder), model.active_adapter, is_trainable=False, torch_device=device
        )
        _refuse_misfit(result.missing_keys, result.unexpected_keys)
    except Exception as error:
        if model is not None:
            taken_off(model)  # the base serves whoever comes next
        if failures.is_memory(error) or isinstance(error, AdapterInvalid):
            raise
        raise AdapterInvalid(
            f"the adapter cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    model.eval()
    return model


def taken_off(model: Any) -> Any:
    """Return the base model without the adapter, as it was before ``put_on``."""
    base = model.unload()
    if hasattr(base, "peft_config"):
        del base.peft_config
    return base


def _make_room(base: Any, folder: Path) -> None:
    """Resize the vocabulary only for an adapter that brings embeddings of another size."""
    rows = model_files.embedding_rows([folder / model_files.ADAPTER_WEIGHTS])
    if rows is not None and rows != base.get_input_embeddings().weight.shape[0]:
        # What the new rows begin with does not matter: the adapter brings them.
        base.resize_token_embeddings(rows, mean_resizing=False)


def _refuse_misfit(missing: list[str], unexpected: list[str]) -> None:
    # Of embeddings that were resized peft writes the wrapper's copies down as well.
    unexpected = [name for name in unexpected if not _is_wrappers_copy(name)]
    if missing or unexpected:
        example = (missing or unexpected)[0]
        raise AdapterInvalid(
            f"the adapter does not fit the base model: {len(missing)} weights missing,"
            f" {len(unexpected)} unexpected, {example} among them"
        )


def _is_wrappers_copy(name: str) -> bool:
    return name.endswith((".modules_to_save.weight", ".original_module.weight"))


def probe(model: Any) -> Any:
    """Return the log-probabilities that a model gives a short run of tokens."""
    embeddings = model.get_input_embeddings().weight
    tokens = torch.arange(min(PROBE_TOKENS, embeddings.shape[0]), device=embeddings.device)
    with torch.no_grad():
        return model(tokens.unsqueeze(0)).logits.float().log_softmax(-1)


def largest_change(model: Any) -> float:
    """Return how far the adapter moves a log-probability on a short probe."""
    tuned = probe(model)
    with model.disable_adapter():
        plain = probe(model)
    return float((tuned - plain).abs().max())
