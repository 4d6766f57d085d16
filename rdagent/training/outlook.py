"""What a training will need, held against what there is; ``memory`` does the sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rdagent.errors import RefusedError
from rdagent.jobs.gpus import gpu_memory
from rdagent.models.resolve import LocalModel
from rdagent.training.memory import Estimate, Work, estimate, in_gibibytes, largest_knob, work_of
from rdagent.training.shapes import ModelShape, read_shape


@dataclass(frozen=True, slots=True)
class Outlook:
    """An estimate of the memory, and the device that is to have it."""

    shape: ModelShape
    work: Work
    device: str
    capacity: int | None

    @property
    def estimate(self) -> Estimate:
        """What is needed at the length that is allowed."""
        return estimate(self.shape, self.work)

    def for_rows_of(self, tokens: int | None) -> Estimate:
        """Return what is needed for rows that are not as long as they may be."""
        if tokens is None or self.work.is_packed:
            return self.estimate
        return estimate(self.shape, replace(self.work, length=min(tokens, self.work.length)))

    @property
    def fits(self) -> bool:
        """Whether the estimate is within what there is."""
        return self.capacity is None or self.estimate.total <= self.capacity

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "estimate": self.estimate.to_json(),
            "device": self.device,
            "capacity_bytes": self.capacity,
            "fits": self.fits,
        }

    def line(self) -> str:
        """Say it in one line."""
        have = f" of {in_gibibytes(self.capacity)} GiB" if self.capacity else ""
        return f"memory about {self.estimate.line()}; on the {self.device}{have}"

    def notes(self) -> tuple[str, ...]:
        """Return a warning where it may not fit."""
        if self.fits:
            return ()
        return (f"{self.line()}: this may not fit. {largest_knob(self.estimate, self.work)}",)


def look_ahead(
    values: Mapping[str, Any],
    model: LocalModel,
    *,
    gpus: tuple[str, ...],
    memory_limit: int,
    longest_row: int | None,
) -> Outlook | None:
    """Estimate; None where the model's files do not say enough.

    Raises RefusedError only when what is trained does not fit, whatever a batch looks like.
    """
    shape = read_shape(model.folder, model.config)
    if shape is None:
        return None
    device = "cuda" if gpus else "cpu"
    stored = model.config.get("dtype") or model.config.get("torch_dtype")
    work = work_of(values, device=device, stored_dtype=stored, longest_row=longest_row)
    name = "GPU" if gpus else "CPU"
    outlook = Outlook(shape, work, name, gpu_memory(gpus[0]) if gpus else memory_limit)
    found = outlook.estimate
    # On a CPU weights may stay in their file, and are read from there again.
    least = found.least if gpus else found.trained
    if outlook.capacity is not None and least > outlook.capacity and not work.sharded:
        raise RefusedError(
            f"this training cannot fit: weights and what is trained alone take"
            f" {in_gibibytes(least)} GiB, and the {name} has {in_gibibytes(outlook.capacity)} GiB",
            hint=largest_knob(found, work),
        )
    return outlook
