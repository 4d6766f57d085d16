"""Engine ``hf``: transformers and peft, on the CPU or on GPUs.

Opened by ``engine``.  lm_eval's own ``peft=`` loads an adapter that fits nothing
without a word, and resizes the vocabulary of the base; here neither happens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM
from peft import PeftConfig, get_peft_model

from rdagent.errors import AdapterInvalid, JobFailed
from rdagent.inside.evaluate import failures, generation
from rdagent.inside.evaluate.engine import AdapterCheck, Opened, effect_notes
from rdagent.inside.evaluate.model_files import ModelFiles
from rdagent.records.requests import EvaluateRequest, Variant

#: On a CPU, probing for the largest batch only burns time.
CPU_BATCH_SIZE = "16"
PROBE_TOKENS = 32


def open_hf(request: EvaluateRequest, variant: Variant, model: ModelFiles) -> Opened:
    """Load the base model, and put the adapter on it if there is one."""
    device = _device(request.num_gpus)
    batch_size = request.batch_size
    if device == "cpu" and batch_size.startswith("auto"):
        batch_size = CPU_BATCH_SIZE
    model_args: dict[str, Any] = {
        "pretrained": variant.model,
        "dtype": generation.dtype(request),
        "max_length": model.max_model_len,
        "parallelize": request.num_gpus > 1,
        **generation.thinking_arguments(request),
    }
    lm = HFLM(**model_args, device=device, batch_size=batch_size)
    check = None
    if variant.adapter is not None:
        check = attach(lm, variant.adapter)
        model_args["peft"] = variant.adapter
    return Opened(
        lm=lm,
        model_args=model_args,
        device=device,
        dtype=str(lm.model.dtype).removeprefix("torch."),
        batch_size=batch_size,
        max_model_len=model.max_model_len,
        max_lora_rank=None,
        adapter=check,
        notes=effect_notes(check) if check else (),
    )


def _device(gpus: int) -> str:
    if gpus == 0:
        return "cpu"
    if not torch.cuda.is_available():
        raise JobFailed(
            "a GPU was asked for and torch sees none", reason="gpu_unavailable", exit_code=5
        )
    return "cuda"


def attach(lm: Any, folder: str) -> AdapterCheck:
    """Put an adapter on a loaded model; raises AdapterInvalid when the two do not fit."""
    base = lm.model
    try:
        config = PeftConfig.from_pretrained(folder)
        config.inference_mode = True
        _make_room(base, Path(folder))
        model = get_peft_model(base, config)
        result = model.load_adapter(
            folder, model.active_adapter, is_trainable=False, torch_device=str(lm.device)
        )
    except Exception as error:
        if failures.is_memory(error):
            raise
        raise AdapterInvalid(
            f"the adapter cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    _refuse_misfit(result.missing_keys, result.unexpected_keys)
    model.eval()
    lm._model = model
    lm.peft = folder
    return AdapterCheck(_largest_change(lm))


def _make_room(base: Any, folder: Path) -> None:
    """Resize the vocabulary only for an adapter that brings embeddings of another size."""
    from safetensors import safe_open

    weights = folder / "adapter_model.safetensors"
    if not weights.is_file():
        return
    with safe_open(weights, framework="pt") as stored:
        for name in stored.keys():  # noqa: SIM118 - not a mapping
            if name.endswith(("embed_tokens.weight", "lm_head.weight")):
                rows = stored.get_slice(name).get_shape()[0]
                if rows != base.get_input_embeddings().weight.shape[0]:
                    base.resize_token_embeddings(rows)
                return


def _refuse_misfit(missing: list[str], unexpected: list[str]) -> None:
    if missing or unexpected:
        example = (missing or unexpected)[0]
        raise AdapterInvalid(
            f"the adapter does not fit the base model: {len(missing)} weights missing,"
            f" {len(unexpected)} unexpected, {example} among them"
        )


def _largest_change(lm: Any) -> float:
    """Return how far the adapter moves a log-probability on a short probe."""
    count = min(PROBE_TOKENS, lm.model.get_input_embeddings().weight.shape[0])
    tokens = torch.arange(count, device=lm.device).unsqueeze(0)
    with torch.no_grad():
        tuned = lm.model(tokens).logits.float().log_softmax(-1)
        with lm.model.disable_adapter():
            plain = lm.model(tokens).logits.float().log_softmax(-1)
    return float((tuned - plain).abs().max())
