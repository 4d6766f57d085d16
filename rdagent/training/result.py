"""Read what a training wrote of itself: ``train.json``, with ``status.json`` as its commit mark.

A container wrote both, so both are read as a stranger's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.records.fields import Fields
from rdagent.records.reasons import Reason
from rdagent.records.status import InsideStatus
from rdagent.training.learned import Learned, read_learned
from rdagent.training.overrides import WHY

RESULT_FILE = "train.json"
RESULT_SCHEMA = "rdagent.train-result/1"
SIZE_LIMIT = 64 * untrusted.MEBIBYTE


@dataclass(frozen=True, slots=True)
class LossPoint:
    """What was logged at one step; a number that was not finite is None."""

    step: int
    epoch: float | None
    loss: float | None
    grad_norm: float | None
    learning_rate: float | None


@dataclass(frozen=True, slots=True)
class AppliedOverride:
    """A value of the user's file that was changed, and why; ``old`` is None where it was absent."""

    key: str
    old: Any
    new: Any
    why: str


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training did."""

    reason: Reason
    message: str
    seconds: float
    steps: int
    first_loss: float | None
    final_loss: float | None
    loss_history: tuple[LossPoint, ...]
    #: The share of the tokens, in a sample of the data, that the model learns from.
    supervised_share: float | None
    overrides: tuple[AppliedOverride, ...]
    device: str | None
    versions: Mapping[str, str | None]
    #: What was seen of the data before the model was loaded; None when it did not come to that.
    learned: Learned | None = None
    #: The most memory that was held: of the GPU where there was one, else of the process.
    peak_memory_bytes: int | None = None

    @property
    def ok(self) -> bool:
        """Whether there is an adapter to use."""
        return self.reason == "ok"


def read_result(out: Path) -> TrainingResult:
    """Read the result in an attempt's output folder.

    A training that failed has a result as well; ``reason`` tells.  Raises ResultError
    when a file is missing, cut short or malformed: the training was killed, then.
    """
    status = InsideStatus.read(out)
    document = untrusted.read_json(out / RESULT_FILE, SIZE_LIMIT)
    fields = Fields(document, RESULT_FILE, RESULT_SCHEMA)
    device = document.get("device") or {}
    return TrainingResult(
        reason=status.reason,
        message=status.message,
        seconds=fields.number("seconds"),
        steps=fields.integer("steps"),
        first_loss=fields.number_or_none("first_loss"),
        final_loss=fields.number_or_none("final_loss"),
        loss_history=tuple(_point(item) for item in fields.items("loss_history")),
        supervised_share=fields.number_or_none("supervised_share"),
        overrides=tuple(_override(item) for item in fields.items("overrides")),
        device=Fields(device, f"{RESULT_FILE}: device").text_or_none("name"),
        versions=_versions(fields.mapping("versions")),
        learned=read_learned(out),
        peak_memory_bytes=fields.integer_or_none("peak_memory_bytes"),
    )


def _point(document: Any) -> LossPoint:
    fields = Fields(document, f"{RESULT_FILE}: loss")
    return LossPoint(
        step=fields.integer("step"),
        epoch=fields.number_or_none("epoch"),
        loss=fields.number_or_none("loss"),
        grad_norm=fields.number_or_none("grad_norm"),
        learning_rate=fields.number_or_none("learning_rate"),
    )


def _override(document: Any) -> AppliedOverride:
    fields = Fields(document, f"{RESULT_FILE}: override")
    key = fields.text("key")
    # The list says why, where it knows the key; what is inside knows the device's reasons.
    why = WHY.get(key) or fields.text("why", "")
    return AppliedOverride(key, document.get("old"), document.get("new"), why)


def _versions(document: Mapping[str, Any]) -> dict[str, str | None]:
    if not all(value is None or isinstance(value, str) for value in document.values()):
        raise ResultError(f"{RESULT_FILE}: a version is not text")
    return dict(document)
