"""Open the engine that answers: transformers (``hf``) or vLLM, with or without an adapter.

The two modules beside this one hold what is particular to each; they are imported
only when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rdagent.inside.evaluate.model_files import ModelFiles
from rdagent.records.requests import EvaluateRequest, Variant


@dataclass(frozen=True, slots=True)
class AdapterCheck:
    """Whether an adapter took hold of the model."""

    #: The largest change of a log-probability on a short probe.
    largest_change: float


@dataclass(frozen=True, slots=True)
class Opened:
    """A loaded engine, and how it was opened."""

    lm: Any
    model_args: dict[str, Any]
    device: str
    dtype: str
    batch_size: str
    max_model_len: int
    max_lora_rank: int | None
    adapter: AdapterCheck | None
    notes: tuple[str, ...] = ()


def open_engine(request: EvaluateRequest, variant: Variant, model: ModelFiles) -> Opened:
    """Load the base model, and the adapter if the variant has one."""
    if request.engine == "vllm":
        from rdagent.inside.evaluate import vllm_engine

        return vllm_engine.open_vllm(request, variant, model)
    from rdagent.inside.evaluate import hf_engine

    return hf_engine.open_hf(request, variant, model)


def effect_notes(check: AdapterCheck) -> tuple[str, ...]:
    """Return a warning when an adapter changes nothing."""
    if check.largest_change == 0.0:
        return ("the adapter changes nothing: its answers are the base model's",)
    return ()
