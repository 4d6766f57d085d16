"""Engine ``hf``: transformers and peft, on the CPU or on GPUs.

Opened by ``engine``.  lm_eval's own ``peft=`` loads an adapter that fits nothing
without a word, and resizes the vocabulary of the base; here neither happens.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM

from rdagent.errors import JobFailed
from rdagent.inside.evaluate import generation, model_files, peft_model
from rdagent.inside.evaluate.engine import AdapterCheck, Opened, effect_notes
from rdagent.inside.evaluate.model_files import ModelFiles
from rdagent.records.requests import EvaluateRequest, Variant

#: On a CPU, probing for the largest batch only burns time.
CPU_BATCH_SIZE = "16"


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
    tokenizer = model_files.tokenizer_folder(model.folder, variant.adapter)
    if tokenizer != model.folder:
        model_args["tokenizer"] = str(tokenizer)
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
    model = peft_model.put_on(lm.model, Path(folder), str(lm.device))
    lm._model = model
    lm.peft = folder
    return AdapterCheck(peft_model.largest_change(model))
