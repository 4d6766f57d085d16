"""Choose the one engine for all variants, and who is merged before it gets them.

Engines differ in the last digits, so base and adapters share one.  What vLLM cannot
serve is merged into its base first; what cannot be merged sends all variants to hf.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rdagent.adapters.check import Adapter
from rdagent.errors import DiskFull, RefusedError
from rdagent.evaluation.request import EngineChoice
from rdagent.models.resolve import LocalModel
from rdagent.records.requests import Engine

_SPARE_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class ServedVariant:
    """A variant as far as serving it goes."""

    name: str
    model: LocalModel
    adapter: Adapter | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine, the names of the variants that are merged first, and what is to be said."""

    engine: Engine
    merged: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def choose_engine(
    wanted: EngineChoice, variants: Sequence[ServedVariant], *, on_gpu: bool
) -> Choice:
    """Return the choice; raises RefusedError for a merge that was asked for and cannot be."""
    engine: Engine = ("vllm" if on_gpu else "hf") if wanted == "auto" else wanted
    if engine != "vllm":
        return Choice(engine)
    merged, notes = set(), []
    for variant in variants:
        adapter = variant.adapter
        if adapter is None or adapter.serving.is_plain:
            continue
        why = adapter.serving.why_not
        if not adapter.serving.can_merge or (wanted == "auto" and _is_quantised(variant.model)):
            note = (
                f"vLLM cannot serve the adapter {variant.name!r}, and it cannot be merged: {why};"
                " all models ran on hf instead"
            )
            return Choice("hf", notes=(note,))
        _require_whole(variant, why)
        merged.add(variant.name)
        notes.append(f"{variant.name}: merged into its base first, as vLLM cannot serve it: {why}")
    return Choice("vllm", frozenset(merged), tuple(notes))


def _is_quantised(model: LocalModel) -> bool:
    return bool(model.config.get("quantization_config"))


def _require_whole(variant: ServedVariant, why: str) -> None:
    if _is_quantised(variant.model):
        raise RefusedError(
            f"vLLM cannot serve the adapter {variant.name!r} ({why}), and it cannot be merged into"
            f" {variant.model.name}, which is quantised",
            hint="Evaluate with --engine hf, or name the base that is not quantised: --base-model.",
        )


def require_room(models: Sequence[LocalModel], place: Path) -> None:
    """Raise DiskFull when a model that is to be merged has no room for a second time."""
    needed = max((_weight_bytes(model) for model in models), default=0)
    free = shutil.disk_usage(place).free
    if needed and free < needed + _SPARE_BYTES:
        raise DiskFull(
            f"merging an adapter into its base needs {needed >> 20} MB for a while, and"
            f" {free >> 20} MB are free at {place}",
            hint="Make room, put the runs elsewhere with RDAGENT_RUNS, or use --engine hf.",
        )


def _weight_bytes(model: LocalModel) -> int:
    return sum(path.stat().st_size for path in model.folder.glob("*.safetensors"))
