"""Count what a training will learn from, on samples that LLaMA-Factory itself encoded.

Free of torch and of LLaMA-Factory, so that the rules can be tested as what they are;
``preflight`` loads and encodes; the host reads the document in ``training/learned``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rdagent.records.preflight import PREFLIGHT_SCHEMA

IGNORED_LABEL = -100
#: The share of samples without a supervised token that a training may have.
UNSUPERVISED_LIMIT = 0.05
STEP = 64


@dataclass(frozen=True, slots=True)
class Sample:
    """One row as the model will see it; ``labels`` is None for a row that is dropped."""

    #: The labels with ``cutoff_len`` applied.
    labels: Sequence[int] | None
    #: Tokens before the cut, and how many of them are prompt.
    full_length: int = 0
    prompt_length: int = 0
    is_cut: bool = False
    #: What is learned is the end of the answer and nothing before it.
    empty_answer: bool = False

    @property
    def supervised(self) -> int:
        """How many tokens are learned from."""
        return sum(1 for label in self.labels or () if label != IGNORED_LABEL)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 95th percentile and largest of a length."""

    p50: int
    p95: int
    largest: int


@dataclass(frozen=True, slots=True)
class Counts:
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
    prompt: Spread | None
    length: Spread | None

    @property
    def unsupervised_share(self) -> float:
        """The share of samples that nothing is learned from: dropped, or masked as a whole."""
        return (self.dropped + self.masked) / self.sampled if self.sampled else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {**asdict(self), "unsupervised_share": round(self.unsupervised_share, 4)}


@dataclass(slots=True)
class Preflight:
    """What is known before the model is loaded; ``preflight.json`` when it is written."""

    stage: str = ""
    template: str | None = None
    cutoff_len: int = 0
    packing: bool = False
    seconds: float = 0.0
    counts: Counts | None = None
    evaluation: Counts | None = None
    #: What a few samples teach, decoded.
    learned: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "schema": PREFLIGHT_SCHEMA,
            "stage": self.stage,
            "template": self.template,
            "cutoff_len": self.cutoff_len,
            "packing": self.packing,
            "seconds": round(self.seconds, 3),
            "counts": self.counts.to_json() if self.counts else None,
            "evaluation": self.evaluation.to_json() if self.evaluation else None,
            "learned": self.learned,
            "notes": self.notes,
        }


def count(samples: Sequence[Sample], rows: int | None) -> Counts:
    """Count what the samples hold."""
    kept = [sample for sample in samples if sample.labels is not None]
    return Counts(
        sampled=len(samples),
        rows=rows,
        dropped=len(samples) - len(kept),
        masked=sum(1 for sample in kept if not sample.supervised),
        empty_answers=sum(1 for sample in kept if sample.supervised and sample.empty_answer),
        cut=sum(1 for sample in kept if sample.is_cut),
        tokens=sum(len(sample.labels or ()) for sample in kept),
        supervised_tokens=sum(sample.supervised for sample in kept),
        prompt=spread([sample.prompt_length for sample in kept]),
        length=spread([sample.full_length for sample in kept]),
    )


def spread(lengths: Sequence[int]) -> Spread | None:
    """Return the percentiles of lengths; the 95th is one that 95 % do not exceed."""
    if not lengths:
        return None
    ordered = sorted(lengths)
    return Spread(_percentile(ordered, 0.5), _percentile(ordered, 0.95), ordered[-1])


def _percentile(ordered: Sequence[int], share: float) -> int:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def proposed_cutoff(counts: Counts) -> int | None:
    """Return a cutoff_len that leaves 95 of 100 rows whole, None where there are no lengths."""
    if counts.length is None:
        return None
    return math.ceil(counts.length.p95 / STEP) * STEP


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is trained, and what to do."""

    message: str
    hint: str


def refusal(counts: Counts, cutoff_len: int) -> Refusal | None:
    """Return why these counts end the training, None when they do not."""
    bad = counts.dropped + counts.masked
    if counts.unsupervised_share <= UNSUPERVISED_LIMIT:
        return None
    message = (
        f"nothing is learned from {bad} of {counts.sampled} samples"
        f" ({100 * counts.unsupervised_share:.0f} %, at most {100 * UNSUPERVISED_LIMIT:.0f} % are"
        f" allowed): {counts.masked} have no supervised token, {counts.dropped} are dropped"
    )
    if counts.masked >= counts.dropped and counts.prompt and counts.cut:
        return Refusal(
            f"{message}. cutoff_len {cutoff_len} is short: 95 % of the prompts have"
            f" up to {counts.prompt.p95} tokens",
            f"Set cutoff_len: {proposed_cutoff(counts)}.",
        )
    return Refusal(
        message,
        "Check the columns and tags in dataset_info.json, the order of the roles, and rows"
        " without an answer.",
    )


def doubts(counts: Counts, what: str) -> list[str]:
    """Return what a user should know of counts that do not end the training."""
    found = []
    if bad := counts.dropped + counts.masked:
        found.append(
            f"{what}: nothing is learned from {bad} of {counts.sampled} samples"
            f" ({counts.masked} without a supervised token, {counts.dropped} dropped)"
        )
    if counts.cut:
        found.append(
            f"{what}: {counts.cut} of {counts.sampled} samples are cut; cutoff_len:"
            f" {proposed_cutoff(counts)} leaves 95 % whole"
        )
    if counts.empty_answers:
        found.append(
            f"{what}: {counts.empty_answers} of {counts.sampled} samples have an empty answer:"
            " the model learns to say nothing"
        )
    return found
