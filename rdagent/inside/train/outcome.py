"""Write ``train.json``, what a training did; ``training.result`` reads it on the host.

It is written for a training that failed, too: the loss history shows how it failed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rdagent.files import atomic
from rdagent.inside.train.configuration import AppliedOverride
from rdagent.inside.train.device import Device
from rdagent.inside.train.watch import Watch

RESULT_FILE = "train.json"
RESULT_SCHEMA = "rdagent.train-result/1"
PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "llamafactory",
    "trl",
    "datasets",
    "accelerate",
    "tokenizers",
    "safetensors",
)


@dataclass(slots=True)
class Training:
    """What is known of a training so far."""

    watch: Watch = field(default_factory=Watch)
    applied: tuple[AppliedOverride, ...] = ()
    device: Device | None = None
    #: Seconds by phase, and ``total``.
    seconds: dict[str, float] = field(default_factory=dict)
    #: What several processes took; None: this one is asked.
    peak_memory_bytes: int | None = None


def write_result(folder: Path, training: Training) -> None:
    """Write ``train.json``; strict JSON, a number that is none is null."""
    atomic.write_json(folder / RESULT_FILE, finite(document_of(training)))


def document_of(training: Training) -> dict[str, Any]:
    """Return the document."""
    points = training.watch.points
    losses = [point.loss for point in points if point.loss is not None]
    return {
        "schema": RESULT_SCHEMA,
        "seconds": round(training.seconds.get("total", 0.0), 3),
        "phases": {name: round(value, 3) for name, value in training.seconds.items()},
        "steps": training.watch.steps,
        "first_loss": losses[0] if losses else None,
        "final_loss": points[-1].loss if points else None,
        "loss_history": [asdict(point) for point in points],
        "supervised_share": training.watch.supervised_share,
        "overrides": [asdict(override) for override in training.applied],
        "device": asdict(training.device) if training.device else None,
        "peak_memory_bytes": _peak_memory(training),
        "versions": versions(),
    }


def _peak_memory(training: Training) -> int | None:
    if training.peak_memory_bytes is not None or training.device is None:
        return training.peak_memory_bytes
    return training.device.peak_memory()


def versions() -> dict[str, str | None]:
    """Return the versions of the libraries that decide what a training does."""
    return {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def finite(value: Any) -> Any:
    """Return JSON types only: NaN and infinities become null, other objects their text."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
