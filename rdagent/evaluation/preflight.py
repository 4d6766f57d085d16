"""Look everything up before anything starts: tasks, model, adapters, engine.

What comes out is complete and plain: the job is built from it, and the run's
identity is its digest.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rdagent.adapters.check import Adapter, inspect_adapter
from rdagent.adapters.serving import rank_limit
from rdagent.core.settings import cache_root, finetune_settings, load
from rdagent.errors import InternalError, RefusedError, UsageError
from rdagent.evaluation.adapter_check import check_on_model
from rdagent.evaluation.benchmark_needs import CheckedData, check_data
from rdagent.evaluation.benchmarks import data_folder
from rdagent.evaluation.endpoint.address import Endpoint, RemoteModel
from rdagent.evaluation.engines import ServedVariant, choose_engine
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.evaluation.stopping import check_serving, check_stopping
from rdagent.evaluation.subsets import check_subset
from rdagent.evaluation.suite_tasks import with_suites
from rdagent.evaluation.tasks import ResolvedTasks, resolve_tasks
from rdagent.files.digests import file_digest, tree_digest
from rdagent.jobs.conf import BenchmarkDockerConf
from rdagent.jobs.gpus import visible_gpus
from rdagent.models.digest import folder_digest
from rdagent.models.resolve import LocalModel, resolve_model
from rdagent.records.limits import Limit, read_limit
from rdagent.records.requests import BASE_VARIANT, Engine

#: Files that people read and tasks do not.
_TOLD_ONLY = ("README", "LICENSE", "LICENCE", "CHANGELOG")


@dataclass(frozen=True, slots=True)
class CheckedVariant:
    """A model that can be evaluated, with its adapter if it has one."""

    name: str
    model: LocalModel | RemoteModel
    #: Empty for a model that a server has.
    model_digest: str
    adapter: Adapter | None = None
    adapter_digest: str | None = None
    #: The adapter is merged into the model before the engine gets it.
    merge: bool = False

    @property
    def local_model(self) -> LocalModel:
        """The model's folder; only for engines that load models."""
        if not isinstance(self.model, LocalModel):
            raise InternalError(f"the model {self.model.name} is not on this machine")
        return self.model


@dataclass(frozen=True, slots=True)
class Preflight:
    """A request with everything in it found and checked."""

    request: EvaluationRequest
    tasks: ResolvedTasks
    data: CheckedData
    variants: tuple[CheckedVariant, ...]
    include_digests: tuple[str, ...]
    engine: Engine
    gpus: tuple[str, ...]
    notes: tuple[str, ...]
    #: Of the file that engine ``scripted`` answers from.
    script_digest: str | None = None
    #: The server that engine ``endpoint`` asks.
    endpoint: Endpoint | None = None

    @property
    def max_lora_rank(self) -> int:
        """The limit that vLLM must make room for."""
        served = (v.adapter for v in self.variants if v.adapter and not v.merge)
        return rank_limit(adapter.rank for adapter in served)

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """The adapters, in the order of their variants."""
        return tuple(variant.adapter for variant in self.variants if variant.adapter)

    @property
    def models(self) -> tuple[LocalModel, ...]:
        """The models on this machine, each once."""
        local = (v.local_model for v in self.variants if isinstance(v.model, LocalModel))
        return tuple({model.mount_name: model for model in local}.values())

    @property
    def merged_models(self) -> tuple[LocalModel, ...]:
        """The models that an adapter is merged into first."""
        return tuple(variant.local_model for variant in self.variants if variant.merge)


def check(request: EvaluationRequest) -> Preflight:
    """Check a request; raises UsageError, RefusedError or AdapterInvalid and starts nothing.

    For engine ``endpoint`` there is one of its own, in ``endpoint.preflight``.
    """
    request = checked_request(request)
    tasks = resolve_tasks(request.tasks, request.include)
    adapters = {
        named.name: inspect_adapter(named.adapter) for named in request.variants if named.adapter
    }
    data = check_documents(request, tasks)
    variants = _checked(request, adapters)
    adapter_notes = _check_adapters(variants)
    gpus = _gpus(request)
    wanted = [ServedVariant(v.name, v.local_model, v.adapter) for v in variants]
    choice = choose_engine(request.engine, wanted, on_gpu=bool(gpus))
    check_serving(request, choice.merged, processes=processes(request, gpus))
    return Preflight(
        request=request,
        tasks=tasks,
        variants=tuple(replace(v, merge=v.name in choice.merged) for v in variants),
        data=data,
        include_digests=include_digests(request),
        engine=choice.engine,
        gpus=gpus,
        notes=(*request.notes, *tasks.notes, *data.notes, *adapter_notes, *choice.notes),
        script_digest=_script_digest(request),
    )


def checked_request(request: EvaluationRequest) -> EvaluationRequest:
    """Return a request that makes sense, on whatever engine; nothing is looked up yet."""
    request = with_suites(replace(request, limit=wanted_limit(request.limit)))
    _check_numbers(request)
    if not request.tasks:
        raise RefusedError("no task is asked for", hint="Name one: --tasks gsm8k")
    if not request.variants and not request.with_base:
        raise RefusedError("no model is asked for", hint="Give an adapter, or ask for the base.")
    _check_names(request.variants)
    check_stopping(request)
    if request.sample == "random" and request.limit is None and request.subset is None:
        raise UsageError("a random sample needs a size", hint="--limit 50, or a share: --limit 0.2")
    if (request.engine == "scripted") != (request.script is not None):
        raise UsageError("engine scripted and a script go together: --engine scripted --script F")
    return request


def check_documents(request: EvaluationRequest, tasks: ResolvedTasks) -> CheckedData:
    """Return the data that the tasks stand on; raises RefusedError for what is not here."""
    if request.subset:
        check_subset(tasks, request.subset)
    return check_data(tasks, data_folder(), request.num_fewshot, request.fewshot_by_task)


def _checked(
    request: EvaluationRequest, adapters: Mapping[str, Adapter]
) -> tuple[CheckedVariant, ...]:
    """Find every variant's model, the base model's first; equal folders are one mount."""
    cache = cache_root()
    wanted = ((NamedVariant(BASE_VARIANT),) if request.with_base else ()) + request.variants
    base = None
    if any(named.model is None for named in wanted):
        on_base = [adapters[v.name] for v in wanted if v.model is None and v.name in adapters]
        base = _base_model(request, on_base)
    found: dict[Path, LocalModel] = {base.folder: base} if base else {}
    checked = []
    for named in wanted:
        model = _find_model(named.model) if named.model else base
        if model is None:
            raise InternalError(f"the variant {named.name} has no model")
        if found and model.folder not in found:
            model = replace(model, mount_name=f"model_{len(found)}")
        model = found.setdefault(model.folder, model)
        adapter = adapters.get(named.name)
        digest = folder_digest(adapter.path, cache) if adapter else None
        model_digest = folder_digest(model.folder, cache)
        checked.append(CheckedVariant(named.name, model, model_digest, adapter, digest))
    return tuple(checked)


def _check_numbers(request: EvaluationRequest) -> None:
    """Refuse numbers that no evaluation can have, wherever they came from."""
    wrong = {
        "num_fewshot": request.num_fewshot is not None and request.num_fewshot < 0,
        "max_model_len": request.max_model_len is not None and request.max_model_len < 1,
        "max_gen_toks": request.max_gen_toks is not None and request.max_gen_toks < 1,
        "gen_kwargs": not _are_gen_kwargs(request.gen_kwargs),
        "num_gpus": request.num_gpus is not None and request.num_gpus < 0,
        "tensor_parallel": request.tensor_parallel is not None and request.tensor_parallel < 1,
        "timeout_seconds": not 0 < request.timeout_seconds < math.inf,
        "batch_size": not re.fullmatch(r"auto(:\d+)?|[1-9]\d*", request.batch_size),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise UsageError(f"{name} cannot be {getattr(request, name)}")


def wanted_limit(limit: Limit | None) -> Limit | None:
    """Return a limit as it is meant, None for all items; raises UsageError for what is none."""
    try:
        return read_limit(limit)
    except ValueError as error:
        raise UsageError(f"limit cannot be {limit}: {error}") from None


def _are_gen_kwargs(text: str | None) -> bool:
    """Tell whether a text is a JSON object or ``name=value,...``, as lm_eval reads it."""
    if text is None:
        return True
    if text.lstrip().startswith("{"):
        try:
            return isinstance(json.loads(text), dict)
        except ValueError:
            return False
    return all(re.fullmatch(r"\s*\w+\s*=.*", part, re.DOTALL) for part in text.split(","))


def changed_meanwhile(preflight: Preflight) -> str | None:
    """Return what is no longer as it was checked: a model, an adapter, tasks; or None."""
    for checked in preflight.variants:
        if checked.adapter and _is_other(checked.adapter.path, checked.adapter_digest):
            return f"the adapter {checked.adapter.path}"
        if isinstance(checked.model, LocalModel):
            folder = checked.model.folder
            if _is_other(folder, checked.model_digest):
                return f"the model {folder}"
    try:
        if include_digests(preflight.request) != preflight.include_digests:
            return "a folder of tasks"
        if _script_digest(preflight.request) != preflight.script_digest:
            return "the script"
    except RefusedError as error:
        return error.message
    return preflight.data.changed()


def _is_other(folder: Path, digest: str | None) -> bool:
    return not folder.is_dir() or folder_digest(folder, cache_root()) != digest


def _check_names(variants: tuple[NamedVariant, ...]) -> None:
    names = [named.name for named in variants]
    for name in names:
        if (
            name == BASE_VARIANT
            or names.count(name) > 1
            or not name.replace("-", "_").isidentifier()
        ):
            raise RefusedError(
                f"the name {name!r} cannot be used",
                hint=f"Names are words, each used once; {BASE_VARIANT!r} is the base model's.",
            )


def _base_model(request: EvaluationRequest, adapters: list[Adapter]) -> LocalModel:
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
    return _find_model(name)


def _find_model(name: str) -> LocalModel:
    return resolve_model(name, finetune_settings().file_path / "models")


def _check_adapters(variants: tuple[CheckedVariant, ...]) -> tuple[str, ...]:
    """Put every adapter to every check, and return what a reader of its scores should know."""
    notes = []
    for variant in variants:
        if variant.adapter is None:
            continue
        report = check_on_model(variant.adapter.path, variant.local_model)
        report.required()
        notes += [f"{variant.name}: {remark}" for remark in report.remarks]
    return tuple(notes)


def _gpus(request: EvaluationRequest) -> tuple[str, ...]:
    wanted = request.tensor_parallel if request.num_gpus is None else request.num_gpus
    if wanted == 1 and request.num_gpus is None:
        wanted = None  # one GPU or the CPU: both are one device
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


def processes(request: EvaluationRequest, gpus: tuple[str, ...]) -> int:
    """Return how many processes answer side by side: GPUs that no single model needs."""
    each = request.tensor_parallel
    return max(len(gpus) // each, 1) if each else 1


def _script_digest(request: EvaluationRequest) -> str | None:
    if request.script is None:
        return None
    if not request.script.is_file():
        raise RefusedError(f"the script {request.script} does not exist")
    return file_digest(request.script)


def include_digests(request: EvaluationRequest) -> tuple[str, ...]:
    """Return a digest of each folder of tasks; raises RefusedError for one that is not there."""
    return tuple(_folder_digest(folder) for folder in request.include)


def _folder_digest(folder: Path) -> str:
    if not folder.is_dir():
        raise RefusedError(f"the folder of tasks {folder} does not exist")
    return tree_digest(folder, [path for path in folder.rglob("*") if _decides(path, folder)])


def _decides(path: Path, folder: Path) -> bool:
    """Tell whether a file of a tasks' folder can change a result: a README cannot."""
    parts = path.relative_to(folder).parts
    if any(part == "__pycache__" or part.startswith(".") for part in parts):
        return False
    return path.is_file() and not path.name.upper().startswith(_TOLD_ONLY)
