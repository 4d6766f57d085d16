"""Read a request from variables: for a plain ``docker run`` of the evaluation image.

``BASE_MODEL``, ``BENCHMARK_TASKS``, ``ADAPTER_PATH``, ``LIMIT``, ``BATCH_SIZE``, ``NUM_GPUS``,
``MAX_MODEL_LEN``, ``ENGINE``, ``OUTPUT_DIR``, ``INCLUDE_PATH``.  With the host package
the host decides all this; here it is decided from the files at hand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import AdapterInvalid, SettingsError
from rdagent.records.limits import Limit, read_limit
from rdagent.records.requests import BASE_VARIANT, ENGINES, Engine, EvaluateRequest, Variant

DEFAULT_ADAPTER = "/workspace/output"
DEFAULT_OUTPUT = "/workspace/benchmark_results"
ADAPTER_CONFIG = "adapter_config.json"
#: Where a plain ``docker run`` of the training image leaves it, under its output folder.
TRAINED_FOLDER = "adapter"


@dataclass(frozen=True, slots=True)
class EnvironmentPlan:
    """The request that the variables make, and what was decided on the way."""

    request: EvaluateRequest
    notes: tuple[str, ...]


def read(variables: Mapping[str, str]) -> EnvironmentPlan:
    """Return the request; raises SettingsError when a variable is missing or wrong."""
    notes: list[str] = []
    adapter = _adapter(variables.get("ADAPTER_PATH") or DEFAULT_ADAPTER, notes)
    config = _adapter_config(adapter)
    gpus = _whole(variables, "NUM_GPUS", _visible_gpus())
    model = _base_model(variables)
    variant = Variant("adapter", model, str(adapter)) if adapter else Variant(BASE_VARIANT, model)
    request = EvaluateRequest(
        variants=(variant,),
        tasks=_listed(variables.get("BENCHMARK_TASKS") or "gsm8k", ","),
        output=variables.get("OUTPUT_DIR") or DEFAULT_OUTPUT,
        engine=_engine(variables.get("ENGINE", ""), gpus, config, notes),
        include=_listed(variables.get("INCLUDE_PATH", ""), os.pathsep),
        limit=_limit(variables.get("LIMIT", "")),
        batch_size=variables.get("BATCH_SIZE") or "auto",
        max_model_len=_whole(variables, "MAX_MODEL_LEN", 0) or None,
        max_lora_rank=_rank(config),
        num_gpus=gpus,
    )
    return EnvironmentPlan(request, tuple(notes))


def _listed(text: str, separator: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(separator) if item.strip())


def _base_model(variables: Mapping[str, str]) -> str:
    path = variables.get("BASE_MODEL", "")
    if not path:
        raise SettingsError("BASE_MODEL is not set", hint="give the model's folder")
    return path


def _adapter(path: str, notes: list[str]) -> Path | None:
    folder = Path(path)
    trained = folder / TRAINED_FOLDER
    if (trained / ADAPTER_CONFIG).is_file() and not (folder / ADAPTER_CONFIG).exists():
        return trained
    if folder.is_dir():
        return folder
    notes.append(f"no adapter folder at {path}: the base model alone is evaluated")
    return None


def _adapter_config(folder: Path | None) -> dict[str, Any]:
    if folder is None:
        return {}
    try:
        config = json.loads((folder / ADAPTER_CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AdapterInvalid(f"{folder / ADAPTER_CONFIG} cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise AdapterInvalid(f"{folder / ADAPTER_CONFIG} is not a JSON object")
    return config


def _rank(config: Mapping[str, Any]) -> int:
    ranks = [config.get("r", 16), *dict(config.get("rank_pattern") or {}).values()]
    return max(rank for rank in ranks if isinstance(rank, int))


def _engine(name: str, gpus: int, config: Mapping[str, Any], notes: list[str]) -> Engine:
    if name == "endpoint":
        raise SettingsError(
            "ENGINE is 'endpoint', which nothing in here can ask",
            hint="the host asks it: rdagent eval --engine endpoint",
        )
    for engine in ENGINES:
        if name == engine:
            return engine
    if name:
        raise SettingsError(f"ENGINE is {name!r}", hint=f"one of {', '.join(ENGINES)}")
    if gpus and (config.get("use_dora") or config.get("modules_to_save")):
        notes.append("vLLM cannot serve this adapter (DoRA or saved modules): engine hf")
        return "hf"
    return "vllm" if gpus else "hf"


def _visible_gpus() -> int:
    return len([path for path in Path("/dev").glob("nvidia*") if path.name[6:].isdigit()])


def _whole(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(name, "")
    if not text:
        return default
    if not text.isdigit():
        raise SettingsError(f"{name} is {text!r}", hint="give a whole number")
    return int(text)


def _limit(text: str) -> Limit | None:
    try:
        return read_limit(text)
    except ValueError as error:
        raise SettingsError(f"LIMIT is {text!r}: {error}", hint="give a number above 0") from None
