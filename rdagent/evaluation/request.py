"""What a caller asks of an evaluation, before anything is looked up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rdagent.core.settings import FinetuneSettings
from rdagent.records.limits import Limit
from rdagent.records.requests import DType, LongPrompts

EngineChoice = Literal["auto", "vllm", "hf"]
ADAPTER_VARIANT = "adapter"


@dataclass(frozen=True, slots=True)
class NamedVariant:
    """A model to evaluate and the name of its results.

    An adapter goes on the request's base model unless the variant names a model of
    its own; a model without an adapter is a merged one, or any other.
    """

    name: str
    adapter: Path | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """Any number of models, any number of tasks."""

    tasks: tuple[str, ...]
    #: None: the base that the adapter itself names.
    base_model: str | None = None
    variants: tuple[NamedVariant, ...] = ()
    with_base: bool = False
    include: tuple[Path, ...] = ()
    engine: EngineChoice = "auto"
    limit: Limit | None = None
    num_fewshot: int | None = None
    batch_size: str = "auto"
    num_gpus: int | None = None
    tensor_parallel: int | None = None
    dtype: DType = "auto"
    max_model_len: int | None = None
    long_prompts: LongPrompts = "truncate"
    gen_kwargs: str | None = None
    max_gen_toks: int | None = None
    system_prompt: str | None = None
    #: None: used when the model has one.
    chat_template: bool | None = None
    thinking: bool | None = None
    seed: int = 1234
    timeout_seconds: float = 3600
    #: A name for the run, to find it by; no part of what is asked.
    label: str = ""


def request_from_settings(
    settings: FinetuneSettings, variants: tuple[NamedVariant, ...]
) -> EvaluationRequest:
    """Return the request that the settings describe."""
    return EvaluationRequest(
        tasks=settings.benchmark_datasets,
        base_model=settings.base_model,
        variants=variants,
        include=tuple(Path(folder) for folder in settings.benchmark_include),
        engine=settings.benchmark_engine,
        limit=settings.benchmark_limit,
        num_fewshot=settings.benchmark_num_fewshot,
        batch_size=settings.benchmark_batch_size,
        num_gpus=settings.benchmark_num_gpus,
        tensor_parallel=settings.benchmark_tensor_parallel,
        dtype=settings.benchmark_dtype,
        max_model_len=settings.benchmark_max_model_len,
        long_prompts=settings.benchmark_long_prompts,
        gen_kwargs=settings.benchmark_gen_kwargs,
        max_gen_toks=settings.benchmark_max_gen_toks,
        system_prompt=settings.benchmark_system_prompt,
        chat_template=settings.benchmark_chat_template,
        thinking=settings.benchmark_thinking,
        seed=settings.benchmark_seed,
        timeout_seconds=settings.benchmark_timeout,
    )
