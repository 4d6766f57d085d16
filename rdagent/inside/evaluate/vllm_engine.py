"""Engine ``vllm``: on GPUs, and on the CPU with vLLM's CPU build.

Opened by ``engine``.  Two things are ours: greedy stays greedy, and an adapter is
loaded at once, so that one which vLLM refuses is named before any answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lm_eval.models.vllm_causallms import VLLM
from vllm import SamplingParams, TokensPrompt

from rdagent.errors import AdapterInvalid
from rdagent.inside.evaluate import adapter_names, failures, generation, vllm_options
from rdagent.inside.evaluate.engine import AdapterCheck, Opened, effect_notes
from rdagent.inside.evaluate.model_files import ModelFiles
from rdagent.records.requests import EvaluateRequest, Variant

GPU_MEMORY_SHARE = 0.85
#: On the CPU this is a share of the machine's memory, and only a check: the cache has its own size.
CPU_MEMORY_SHARE = 0.1
PROBE_TOKENS = 32


def open_vllm(request: EvaluateRequest, variant: Variant, model: ModelFiles) -> Opened:
    """Start vLLM, and load the adapter if there is one."""
    on_cpu = request.num_gpus == 0
    if variant.adapter:
        _refuse_strangers(model.folder, Path(variant.adapter))
    rank = vllm_options.served_rank(request.max_lora_rank) if variant.adapter else None
    model_args: dict[str, Any] = {
        "pretrained": variant.model,
        "dtype": generation.dtype(request),
        "max_model_len": model.max_model_len,
        "tensor_parallel_size": vllm_options.tensor_parallel(
            request.num_gpus, model.config, request.tensor_parallel
        ),
        "gpu_memory_utilization": CPU_MEMORY_SHARE if on_cpu else GPU_MEMORY_SHARE,
        "enforce_eager": on_cpu,
        "seed": request.seed,
        **vllm_options.concurrency(request.batch_size),
        **generation.thinking_arguments(request),
    }
    if variant.adapter:
        model_args |= {"lora_local_path": variant.adapter, "max_lora_rank": rank}
    # All requests go to the engine at once; how many it answers together is its own limit.
    lm = VLLM(**model_args, batch_size="auto")
    lm.modify_gen_kwargs = vllm_options.keep_greedy(lm.modify_gen_kwargs)
    check = _load_adapter(lm) if variant.adapter else None
    return Opened(
        lm=lm,
        model_args=model_args,
        device="cpu" if on_cpu else "cuda",
        dtype=str(lm.model.llm_engine.model_config.dtype).removeprefix("torch."),
        batch_size=request.batch_size,
        max_model_len=model.max_model_len,
        max_lora_rank=rank,
        adapter=check,
        notes=effect_notes(check) if check else (),
    )


def _refuse_strangers(base: Path, adapter: Path) -> None:
    strangers = adapter_names.strangers(base, adapter)
    if strangers:
        raise AdapterInvalid(
            f"the adapter does not fit the base model: it changes {len(strangers)} modules that"
            f" the base lacks, {strangers[0]} among them"
        )


def _load_adapter(lm: Any) -> AdapterCheck:
    try:
        return AdapterCheck(_largest_change(lm))
    except Exception as error:
        if failures.is_memory(error) or "LoRA" not in f"{error} {type(error).__name__}".replace(
            "lora", "LoRA"
        ):
            raise
        raise AdapterInvalid(f"vLLM cannot serve the adapter: {error}") from error


def _largest_change(lm: Any) -> float:
    """Return how far the adapter moves a log-probability on a short probe."""
    vocabulary = lm.model.llm_engine.model_config.get_vocab_size()
    tokens = list(range(min(PROBE_TOKENS, vocabulary)))
    params = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=1, detokenize=False)

    def answers(adapter: Any) -> list[float]:
        prompt = TokensPrompt(prompt_token_ids=tokens)
        (output,) = lm.model.generate(prompt, params, use_tqdm=False, lora_request=adapter)
        rows = output.prompt_logprobs[1:]
        return [row[token].logprob for token, row in zip(tokens[1:], rows, strict=True)]

    pairs = zip(answers(lm.lora_request), answers(None), strict=True)
    return max((abs(tuned - plain) for tuned, plain in pairs), default=0.0)
