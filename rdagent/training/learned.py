"""Read what the job saw of its data before it loaded the model: ``preflight.json``.

A container wrote it, so it is read as a stranger's; texts are made printable here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.files.printable import one_line
from rdagent.records.fields import Fields
from rdagent.records.preflight import PREFLIGHT_FILE, PREFLIGHT_SCHEMA

TEXT_LIMIT = 400
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted in a sample of the rows."""

    sampled: int
    #: Rows in the whole data set; None for a stream.
    rows: int | None
    dropped: int
    masked: int
    empty_answers: int
    cut: int
    tokens: int
    supervised_tokens: int
    longest: int | None


@dataclass(frozen=True, slots=True)
class Learned:
    """What a training learns from, and what it looks like."""

    counts: Counted | None
    evaluation: Counted | None
    #: A few targets, decoded.
    learned: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return asdict(self)

    def lines(self) -> tuple[str, ...]:
        """Say it in a few lines."""
        if self.counts is None:
            return self.notes
        counts = self.counts
        share = counts.supervised_tokens / counts.tokens if counts.tokens else 0.0
        of = f" of {counts.rows}" if counts.rows is not None else ""
        first = f"looked at {counts.sampled}{of} samples: {100 * share:.0f} % of the tokens are"
        return (
            f"{first} learned from, {counts.cut} samples cut, {counts.dropped} dropped",
            *(f"learns: {text}" for text in self.learned),
            *self.notes,
        )


def read_learned(out: Path) -> Learned | None:
    """Return what stands in an attempt's output folder; None when it ended before that.

    Raises ResultError when it is malformed.
    """
    if not (out / PREFLIGHT_FILE).exists():
        return None
    document = untrusted.read_json(out / PREFLIGHT_FILE, untrusted.MEBIBYTE)
    fields = Fields(document, PREFLIGHT_FILE, PREFLIGHT_SCHEMA)
    return Learned(
        counts=_counted(document.get("counts")),
        evaluation=_counted(document.get("evaluation")),
        learned=_texts(fields.texts("learned")),
        notes=_texts(fields.texts("notes")),
    )


def _texts(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one_line(value, TEXT_LIMIT) for value in values[:SHOWN])


def _counted(document: Any) -> Counted | None:
    if document is None:
        return None
    fields = Fields(document, f"{PREFLIGHT_FILE}: counts")
    length = document.get("length")
    counted = Counted(
        sampled=fields.integer("sampled"),
        rows=fields.integer_or_none("rows"),
        dropped=fields.integer("dropped"),
        masked=fields.integer("masked"),
        empty_answers=fields.integer("empty_answers"),
        cut=fields.integer("cut"),
        tokens=fields.integer("tokens"),
        supervised_tokens=fields.integer("supervised_tokens"),
        longest=None if length is None else Fields(length, PREFLIGHT_FILE).integer("largest"),
    )
    if any(number < 0 for number in asdict(counted).values() if number is not None):
        raise ResultError(f"{PREFLIGHT_FILE} counts less than nothing")
    return counted
