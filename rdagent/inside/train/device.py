"""What this machine trains on, and what a configuration may not ask of it."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rdagent.errors import RefusedError
from rdagent.inside.train.configuration import Override

#: Keys that are switched off where the device cannot do what they ask.
CUDA_ONLY = ("fp16", "tf32", "fp8")
BFLOAT16 = ("bf16", "pure_bf16")


@dataclass(frozen=True, slots=True)
class Device:
    """The devices that torch sees; ``count`` is 1 for a CPU."""

    kind: Literal["cuda", "cpu"]
    name: str
    count: int
    bfloat16: bool

    def peak_memory(self) -> int:
        """Return the most bytes that were held so far: of the GPU, else of this process."""
        if self.kind == "cuda":
            import torch

            return int(torch.cuda.max_memory_reserved())
        # Linux counts it in kibibytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def probe() -> Device:
    """Ask torch; a CPU counts as without bfloat16, as LLaMA-Factory counts it."""
    import torch

    if not torch.cuda.is_available():
        return Device("cpu", "cpu", 1, bfloat16=False)
    return Device(
        "cuda",
        str(torch.cuda.get_device_name(0)),
        int(torch.cuda.device_count()),
        bfloat16=bool(torch.cuda.is_bf16_supported()),
    )


def device_overrides(values: Mapping[str, Any], device: Device) -> dict[str, Override]:
    """Return ``false`` for each precision that is asked for and that the device lacks."""
    lacking: dict[str, str] = {}
    if not device.bfloat16:
        lacking.update(dict.fromkeys(BFLOAT16, f"{device.name} does not train in bfloat16"))
    if device.kind == "cpu":
        lacking.update(dict.fromkeys(CUDA_ONLY, "there is no CUDA device"))
    return {key: Override(False, why) for key, why in lacking.items() if values.get(key)}


def refuse_several(device: Device) -> None:
    """Raise RefusedError when more than one device is visible."""
    if device.count > 1:
        raise RefusedError(
            f"{device.count} GPUs are visible and this training uses one",
            hint="Show it one: a single device id for the job, or CUDA_VISIBLE_DEVICES=0.",
        )
