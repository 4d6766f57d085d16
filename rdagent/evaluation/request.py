"""What a caller asks of an evaluation, before anything is looked up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rdagent.core.settings import FinetuneSettings

EngineChoice = Literal["auto", "vllm", "hf"]
ADAPTER_VARIANT = "adapter"


@dataclass(frozen=True, slots=True)
class NamedAdapter:
    """An adapter's folder, and the name of the variant that it becomes."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """One base model, any number of adapters, any number of tasks."""

    tasks: tuple[str, ...]
    #: None: the base that the adapter itself names.
    base_model: str | None = None
    adapters: tuple[NamedAdapter, ...] = ()
    with_base: bool = False
    include: tuple[Path, ...] = ()
    engine: EngineChoice = "auto"
    limit: float | None = None
    num_fewshot: int | None = None
    batch_size: str = "auto"
    num_gpus: int | None = None
    max_model_len: int | None = None
    gen_kwargs: str | None = None
    seed: int = 1234
    timeout_seconds: float = 3600


def request_from_settings(
    settings: FinetuneSettings, adapters: tuple[NamedAdapter, ...]
) -> EvaluationRequest:
    """Return the request that the settings describe."""
    return EvaluationRequest(
        tasks=settings.benchmark_datasets,
        base_model=settings.base_model,
        adapters=adapters,
        include=tuple(Path(folder) for folder in settings.benchmark_include),
        engine=settings.benchmark_engine,
        limit=settings.benchmark_limit,
        num_fewshot=settings.benchmark_num_fewshot,
        batch_size=settings.benchmark_batch_size,
        num_gpus=settings.benchmark_num_gpus,
        max_model_len=settings.benchmark_max_model_len,
        gen_kwargs=settings.benchmark_gen_kwargs,
        seed=settings.benchmark_seed,
        timeout_seconds=settings.benchmark_timeout,
    )
