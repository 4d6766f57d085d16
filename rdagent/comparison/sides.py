"""What was read of one model: its results, its settings, its items task by task.

``read`` fills these from files; ``guard`` and ``pairing`` compare two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rdagent.comparison.report import FailureRates, SideInfo
from rdagent.evaluation.results import ResultsDocument

#: A run of ours, a folder of lm_eval's, or scores without items.
SideKind = Literal["run", "lm_eval", "scores"]


@dataclass(frozen=True, slots=True)
class Item:
    """One document as one model answered it; several drawn answers are averaged."""

    doc_id: int
    doc_hash: str | None
    prompt_hash: str | None
    target_hash: str | None
    #: One value per metric of the task's items; None where the file holds no number.
    values: tuple[float | None, ...]
    #: How many answers were averaged.
    drawn: int
    #: Where its first row begins in the samples file.
    offset: int


@dataclass(frozen=True, slots=True)
class TaskItems:
    """The items of one task after one filter, by document."""

    task: str
    #: ``none`` where there is no filter.
    filter: str
    metrics: tuple[str, ...]
    items: tuple[Item, ...]
    path: Path

    def column(self, metric: str) -> int | None:
        """Return the place of a metric among an item's values."""
        return self.metrics.index(metric) if metric in self.metrics else None


@dataclass(frozen=True, slots=True)
class ItemText:
    """The words of one item; a stranger's text."""

    question: str
    target: str
    answer: str
    extracted: str
    #: The document's own fields, for breakdowns and clusters.
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """One model's results as they were read."""

    kind: SideKind
    info: SideInfo
    results: ResultsDocument
    #: The results file's own content: configs, versions, hashes, seeds, templates.
    document: Mapping[str, Any]
    #: Task → filter → items.
    items: Mapping[str, Mapping[str, TaskItems]]
    #: Task → how its answers failed.
    rates: Mapping[str, FailureRates]
    contaminated: frozenset[str]
    #: What was wrong with the samples, by task: cut, missing, duplicated.
    damage: Mapping[str, tuple[str, ...]]
