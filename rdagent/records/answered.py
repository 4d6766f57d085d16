"""``answered.json``: how a variant's answers were made, kept beside its ledger.

Scoring without a model writes from it what lm_eval would ask a loaded model for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rdagent.files import atomic, untrusted
from rdagent.records.fields import Fields

ANSWERED_FILE = "answered.json"
ANSWERED_SCHEMA = "rdagent.answered/1"


@dataclass(frozen=True, slots=True)
class Answered:
    """Who answered, and how it was opened."""

    engine: str
    device: str
    dtype: str
    batch_size: str
    max_model_len: int
    max_lora_rank: int | None = None
    model_args: Mapping[str, Any] = field(default_factory=dict)
    #: What the loaded model says of itself: its parameters, its type.
    model_info: Mapping[str, Any] = field(default_factory=dict)
    #: Batch sizes that were found by trying, by place.
    batch_sizes: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str | None] = field(default_factory=dict)
    #: The largest change of a log-probability that the adapter makes on a probe.
    largest_change: float | None = None
    notes: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Write it beside the ledger."""
        document = {"schema": ANSWERED_SCHEMA, **asdict(self)}
        atomic.write_json(folder / ANSWERED_FILE, document)

    @classmethod
    def read(cls, folder: Path) -> Answered:
        """Read it; raises ResultError when it is missing or malformed."""
        document = untrusted.read_json(folder / ANSWERED_FILE)
        fields = Fields(document, ANSWERED_FILE, ANSWERED_SCHEMA)
        return cls(
            engine=fields.text("engine"),
            device=fields.text("device"),
            dtype=fields.text("dtype"),
            batch_size=fields.text("batch_size"),
            max_model_len=fields.integer("max_model_len"),
            max_lora_rank=fields.integer_or_none("max_lora_rank"),
            model_args=fields.mapping("model_args"),
            model_info=fields.mapping("model_info"),
            batch_sizes=fields.mapping("batch_sizes"),
            versions=fields.mapping("versions"),
            largest_change=fields.number_or_none("largest_change"),
            notes=fields.texts("notes"),
        )
