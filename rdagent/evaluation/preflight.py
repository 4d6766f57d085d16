"""Look everything up before anything starts: tasks, model, adapters, engine.

What comes out is complete and plain: the job is built from it, and the run's
identity is its digest.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from rdagent.adapters.inspect import Adapter, inspect_adapter
from rdagent.adapters.serving import rank_limit, why_not_vllm
from rdagent.core.settings import PathSettings, cache_root, finetune_settings, load
from rdagent.errors import RefusedError, UsageError
from rdagent.evaluation.request import EvaluationRequest, NamedAdapter
from rdagent.evaluation.tasks import ResolvedTasks, resolve_tasks
from rdagent.files.digests import tree_digest
from rdagent.jobs.conf import BenchmarkDockerConf
from rdagent.jobs.gpus import visible_gpus
from rdagent.models.digest import folder_digest
from rdagent.models.resolve import LocalModel, resolve_model
from rdagent.records.requests import BASE_VARIANT, Engine


@dataclass(frozen=True, slots=True)
class CheckedAdapter:
    """An adapter that can be evaluated."""

    name: str
    adapter: Adapter
    digest: str


@dataclass(frozen=True, slots=True)
class Preflight:
    """A request with everything in it found and checked."""

    request: EvaluationRequest
    tasks: ResolvedTasks
    model: LocalModel
    model_digest: str
    adapters: tuple[CheckedAdapter, ...]
    include_digests: tuple[str, ...]
    engine: Engine
    gpus: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def max_lora_rank(self) -> int:
        """The limit that vLLM must make room for."""
        return rank_limit(checked.adapter.rank for checked in self.adapters)


def check(request: EvaluationRequest) -> Preflight:
    """Check a request; raises UsageError, RefusedError or AdapterInvalid and starts nothing."""
    _check_numbers(request)
    if not request.tasks:
        raise RefusedError("no task is asked for", hint="Name one: --tasks gsm8k")
    if not request.adapters and not request.with_base:
        raise RefusedError("no model is asked for", hint="Give an adapter, or ask for the base.")
    _check_names(request.adapters)
    tasks = resolve_tasks(request.tasks, request.include)
    inspected = [(named.name, inspect_adapter(named.path)) for named in request.adapters]
    model = _model(request, [adapter for _, adapter in inspected])
    gpus = _gpus(request)
    engine, engine_notes = choose_engine(request, inspected, gpus)
    cache = cache_root()
    return Preflight(
        request=request,
        tasks=tasks,
        model=model,
        model_digest=folder_digest(model.folder, cache),
        adapters=tuple(
            CheckedAdapter(name, adapter, folder_digest(adapter.path, cache))
            for name, adapter in inspected
        ),
        include_digests=tuple(_folder_digest(folder) for folder in request.include),
        engine=engine,
        gpus=gpus,
        notes=(*tasks.notes, *engine_notes),
    )


def _check_numbers(request: EvaluationRequest) -> None:
    """Refuse numbers that no evaluation can have, wherever they came from."""
    wrong = {
        "limit": request.limit is not None and not 0 < request.limit < math.inf,
        "num_fewshot": request.num_fewshot is not None and request.num_fewshot < 0,
        "max_model_len": request.max_model_len is not None and request.max_model_len < 1,
        "num_gpus": request.num_gpus is not None and request.num_gpus < 0,
        "timeout_seconds": not 0 < request.timeout_seconds < math.inf,
        "batch_size": not re.fullmatch(r"auto(:\d+)?|[1-9]\d*", request.batch_size),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise UsageError(f"{name} cannot be {getattr(request, name)}")


def changed_meanwhile(preflight: Preflight) -> str | None:
    """Return what is no longer as it was checked: an adapter's folder, or None."""
    for checked in preflight.adapters:
        path = checked.adapter.path
        if not path.is_dir() or folder_digest(path, cache_root()) != checked.digest:
            return f"the adapter {path}"
    return None


def _check_names(adapters: tuple[NamedAdapter, ...]) -> None:
    names = [named.name for named in adapters]
    for name in names:
        if (
            name == BASE_VARIANT
            or names.count(name) > 1
            or not name.replace("-", "_").isidentifier()
        ):
            raise RefusedError(
                f"the adapter name {name!r} cannot be used",
                hint=f"Names are words, each used once; {BASE_VARIANT!r} is the base model's.",
            )


def _model(request: EvaluationRequest, adapters: list[Adapter]) -> LocalModel:
    bases = sorted({adapter.base_model for adapter in adapters if adapter.base_model})
    if len(bases) > 1 and request.base_model is None:
        raise RefusedError(
            f"the adapters name different base models: {', '.join(bases)}",
            hint="Evaluate them apart, or name the one that fits all with --base-model.",
        )
    name = request.base_model or next(iter(bases), None)
    if name is None:
        raise RefusedError(
            "no base model is named, and the adapter names none",
            hint="Set FT_BASE_MODEL or give --base-model.",
        )
    return resolve_model(name, finetune_settings().file_path / "models")


def _gpus(request: EvaluationRequest) -> tuple[str, ...]:
    wanted = request.num_gpus
    if wanted == 0 or not load(BenchmarkDockerConf).enable_gpu:
        return ()
    found = visible_gpus()
    if wanted is None:
        return found[:1]
    if wanted > len(found):
        raise RefusedError(
            f"{wanted} GPUs are asked for and {len(found)} are here",
            hint="Set FT_BENCHMARK_NUM_GPUS to what is here; 0 runs on the CPU.",
        )
    return found[:wanted]


def choose_engine(
    request: EvaluationRequest, adapters: list[tuple[str, Adapter]], gpus: tuple[str, ...]
) -> tuple[Engine, tuple[str, ...]]:
    """Return the one engine for all variants, and what is to be said about it.

    Engines differ in the last digits, so base and adapters share one.
    """
    wanted: Engine = ("vllm" if gpus else "hf") if request.engine == "auto" else request.engine
    if wanted == "hf":
        return "hf", ()
    for name, adapter in adapters:
        if why := why_not_vllm(adapter):
            note = f"vLLM cannot serve the adapter {name!r}: {why}; all models ran on hf instead"
            return "hf", (note,)
    return "vllm", ()


def _folder_digest(folder: Path) -> str:
    if not folder.is_dir():
        raise RefusedError(f"the folder of tasks {folder} does not exist")
    return tree_digest(folder, [path for path in folder.rglob("*") if path.is_file()])


def data_folder() -> Path:
    """Return where benchmark data lie."""
    settings = load(PathSettings)
    return settings.hf_datasets_cache or finetune_settings().file_path / "benchmarks"
