"""What a caller asks of an evaluation, before anything is looked up."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rdagent.core.settings import FinetuneSettings
from rdagent.evaluation.endpoint.address import CONCURRENCY
from rdagent.evaluation.presets import Preset, find_preset
from rdagent.records.limits import Limit
from rdagent.records.requests import DType, LongPrompts, Sample
from rdagent.records.subset import Subset

EngineChoice = Literal["auto", "vllm", "hf", "scripted", "endpoint"]
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
    #: Task → its own number of examples; nothing is said in ``num_fewshot`` then.
    fewshot_by_task: Mapping[str, int] = field(default_factory=dict)
    #: Task or group → its primary metric, ``metric,filter``, in place of the table's.
    primary: Mapping[str, str] = field(default_factory=dict)
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
    #: The documents that are asked, in place of a limit.
    subset: Subset | None = None
    #: Which documents a limit leaves.
    sample: Sample = "first"
    #: Base and adapters answer in pairs, and a task ends when a test has decided on it.
    stop_when_decided: bool = False
    #: The share of a GPU's memory that vLLM takes; None: its usual one.
    memory_share: float | None = None
    #: Out of memory may shorten the context, after everything else was tried.
    allow_shorter_context: bool = False
    #: The file that engine ``scripted`` answers from.
    script: Path | None = None
    #: The server that engine ``endpoint`` asks; models are then named as it names them.
    endpoint: str | None = None
    #: What the user says of what it serves: only equal ones share answers between runs.
    endpoint_revision: str | None = None
    #: How many requests it is sent at a time.
    endpoint_concurrency: int = CONCURRENCY
    #: Holds its key; None: ``RDAGENT_ENDPOINT_KEY``.
    endpoint_key_file: Path | None = None
    #: A name for the run, to find it by; no part of what is asked.
    label: str = ""
    #: What a reader of the scores should know of how they were asked for.
    notes: tuple[str, ...] = ()


def request_from_settings(
    settings: FinetuneSettings,
    variants: tuple[NamedVariant, ...],
    *,
    preset: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> EvaluationRequest:
    """Return the request that the settings describe.

    ``given`` are fields that the caller was told itself: they win.  A preset, the one
    named here or the settings' own, goes before the settings.
    """
    asked = {} if given is None else dict(given)
    request = replace(_of_settings(settings, variants), **asked)
    name = preset or settings.benchmark_preset
    return with_preset(request, find_preset(name), kept=asked) if name else request


def with_preset(
    request: EvaluationRequest, preset: Preset, *, kept: Collection[str] = ()
) -> EvaluationRequest:
    """Return a request for what a preset asks; the fields in ``kept`` stay as they are."""
    asked: dict[str, Any] = {"tasks": preset.names, "limit": preset.limit, "num_fewshot": None}
    changes = {name: value for name, value in asked.items() if name not in kept}
    stays = [name for name in asked if name in kept]
    said = f"{preset.said}; asked otherwise: {', '.join(stays)}" if stays else preset.said
    return replace(
        request,
        **changes,
        fewshot_by_task={} if "num_fewshot" in kept else preset.fewshot(request.include),
        primary=preset.primary(request.include),
        notes=(*request.notes, said),
    )


def _of_settings(
    settings: FinetuneSettings, variants: tuple[NamedVariant, ...]
) -> EvaluationRequest:
    return EvaluationRequest(
        tasks=settings.benchmark_datasets,
        base_model=settings.base_model,
        variants=variants,
        include=tuple(Path(folder) for folder in settings.benchmark_include),
        engine=settings.benchmark_engine,
        endpoint=settings.benchmark_endpoint,
        endpoint_revision=settings.benchmark_endpoint_revision,
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
