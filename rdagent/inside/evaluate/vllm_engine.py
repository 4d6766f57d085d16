"""Engine ``vllm``: on GPUs, and on the CPU with vLLM's CPU build; one start for all adapters.

Two things are ours: greedy stays greedy, and an adapter is loaded at once, so that one
which vLLM refuses is named before any answer.  An engine that failed in the middle of
its work is not asked again: what it still held would be answered with the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lm_eval.models.vllm_causallms import VLLM
from vllm import SamplingParams, TokensPrompt
from vllm.lora.request import LoRARequest

from rdagent.errors import AdapterInvalid
from rdagent.inside.evaluate import (
    adapter_names,
    failures,
    generation,
    vllm_cpu_lora,
    vllm_options,
    vllm_prefixes,
)
from rdagent.inside.evaluate.asking import Asker, Generated
from rdagent.inside.evaluate.effect import effect_notes
from rdagent.inside.evaluate.engine import EngineBroken
from rdagent.inside.evaluate.model_files import ModelFiles
from rdagent.inside.evaluate.versions import versions
from rdagent.records.answered import Answered
from rdagent.records.ledger import Answer
from rdagent.records.plan import Request
from rdagent.records.requests import EvaluateRequest, Variant

GPU_MEMORY_SHARE = 0.85
#: On the CPU this is a share of the machine's memory, and only a check: the cache has its own size.
CPU_MEMORY_SHARE = 0.1
PROBE_TOKENS = 32
#: All requests go to vLLM at once; how many it answers together is its own limit.
ALL_AT_ONCE = 1 << 30


class VLLMEngine:
    """A started vLLM; an adapter goes along with each request."""

    def __init__(
        self, request: EvaluateRequest, variants: Sequence[Variant], model: ModelFiles
    ) -> None:
        self._request, self._model = request, model
        self._on_cpu = request.num_gpus == 0
        self._with_adapters = any(variant.adapter for variant in variants)
        self._rank = vllm_options.served_rank(request.max_lora_rank)
        self._model_args = self._arguments(request, model)
        first = next((variant.adapter for variant in variants if variant.adapter), None)
        if first and self._on_cpu:
            vllm_cpu_lora.mend()
        loras = {"lora_local_path": first, "max_lora_rank": self._rank} if first else {}
        lm = VLLM(**self._model_args, **loras, batch_size=ALL_AT_ONCE)
        lm.modify_gen_kwargs = vllm_options.keep_greedy(lm.modify_gen_kwargs)
        lm.lora_request = None
        vllm_prefixes.share(lm)
        self._lm = lm
        self._ids: dict[str, int] = {}
        self._changes: dict[str, float] = {}
        self._broken: str | None = None
        self._asker = Asker(
            lm=lm,
            watcher=_Watcher(lm),
            seed=request.seed,
            batch=request.batch_size,
            scored_room=lm.max_length - 1,
        )

    def _arguments(self, request: EvaluateRequest, model: ModelFiles) -> dict[str, Any]:
        share = CPU_MEMORY_SHARE if self._on_cpu else GPU_MEMORY_SHARE
        return {
            "pretrained": str(model.folder),
            "dtype": generation.dtype(request),
            "max_model_len": model.max_model_len,
            "tensor_parallel_size": vllm_options.tensor_parallel(
                request.gpus_each, model.config, request.tensor_parallel
            ),
            "gpu_memory_utilization": request.memory_share or share,
            "enforce_eager": self._on_cpu,
            "seed": request.seed,
            **vllm_options.concurrency(request.batch_size),
            **generation.thinking_arguments(request),
        }

    def use(self, variant: Variant) -> Answered:
        """Send this variant's adapter along from now on."""
        self._require_alive()
        self._lm.lora_request = None
        change = None
        if variant.adapter is not None:
            _refuse_strangers(self._model.folder, Path(variant.adapter))
            number = self._ids.setdefault(variant.adapter, len(self._ids) + 1)
            self._lm.lora_request = LoRARequest(variant.name, number, variant.adapter)
            if variant.adapter not in self._changes:  # it may come back many times
                self._changes[variant.adapter] = _load_adapter(self._lm)
            change = self._changes[variant.adapter]
        args = dict(self._model_args)
        if variant.adapter is not None:
            args |= {"lora_local_path": variant.adapter, "max_lora_rank": self._rank}
        return Answered(
            engine="vllm",
            device="cpu" if self._on_cpu else "cuda",
            dtype=str(self._lm.model.llm_engine.model_config.dtype).removeprefix("torch."),
            batch_size=self._request.batch_size,
            max_model_len=self._model.max_model_len,
            max_lora_rank=self._rank if self._with_adapters else None,
            model_args=args,
            versions=versions(),
            largest_change=change,
            notes=effect_notes(change) if change is not None else (),
        )

    def answer(self, requests: Sequence[Request], on_answer: Callable[[], None]) -> list[Answer]:
        """Return the answers to requests of one kind."""
        self._require_alive()
        try:
            return self._asker.answer(requests, on_answer)
        except Exception as error:
            if not self._lm.model.llm_engine.has_unfinished_requests():
                raise  # refused before it was begun: the next can be asked
            self._broken = f"{type(error).__name__}: {error}"
            if failures.is_memory(error):
                raise
            raise EngineBroken(self._broken) from error

    def _require_alive(self) -> None:
        if self._broken is not None:
            raise EngineBroken(f"the engine had failed before: {self._broken}")

    def render(self, messages: Any, *, add_generation_prompt: bool) -> str | None:
        """Return a prompt as the model's class renders it."""
        return str(self._lm.apply_chat_template(messages, add_generation_prompt))

    def close(self) -> None:
        """Nothing: vLLM ends with its process."""


class _Watcher:
    """Looks at what vLLM returns before lm_eval takes the text out of it."""

    def __init__(self, lm: Any) -> None:
        self.generated: deque[Generated] = deque()
        original = lm._model_generate

        def generate(requests: Any, generate: bool = False, sampling_params: Any = None) -> Any:
            outputs = original(requests, generate=generate, sampling_params=sampling_params)
            if generate:
                self.generated.extend(map(_look, outputs))
            return outputs

        lm._model_generate = generate


def _look(output: Any) -> Generated:
    (first, *_) = output.outputs
    return Generated(
        finish_reason=str(first.finish_reason),
        token_ids=tuple(first.token_ids),
        prompt_tokens=len(output.prompt_token_ids),
    )


def _refuse_strangers(base: Path, adapter: Path) -> None:
    strangers = adapter_names.strangers(base, adapter)
    if strangers:
        raise AdapterInvalid(
            f"the adapter does not fit the base model: it changes {len(strangers)} modules that"
            f" the base lacks, {strangers[0]} among them"
        )


def _load_adapter(lm: Any) -> float:
    try:
        return _largest_change(lm)
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
