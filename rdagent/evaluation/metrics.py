"""Scores: what a metric's name says about it, and the average over tasks.

Below ``primary``, which picks one score per task; names and their meaning stand in
``primary.json``.  A value between 0 and 1 alone proves nothing: a ratio is known by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from rdagent.core.feedback import TaskScore

NO_FILTER = "none"


@dataclass(frozen=True, slots=True)
class MetricKind:
    """What is known of a metric from its name."""

    #: None where neither direction is better, or none is known.
    higher_is_better: bool | None
    #: A share of 1: may be shown in percent and averaged with other ratios.
    ratio: bool


@dataclass(frozen=True, slots=True)
class Average:
    """The macro mean; ``value`` is None when there is nothing to average."""

    value: float | None
    included: tuple[str, ...]
    #: Task → why it is left out.
    excluded: Mapping[str, str]


@cache
def table() -> Mapping[str, Any]:
    """Return the committed table of metrics and primary metrics."""
    text = resources.files("rdagent.evaluation").joinpath("primary.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def metric_kind(metric: str) -> MetricKind:
    """Return what the name of a metric says; an unknown one is no ratio and has no direction."""
    known = table()["metrics"].get(metric)
    if known is None:
        return MetricKind(None, ratio=False)
    return MetricKind(known["higher_is_better"], ratio=known["ratio"])


def average(scores: Mapping[str, TaskScore]) -> Average:
    """Return the mean of the ratios, each task counting once.

    A ratio of which less is better enters as ``1 - value``, so that more is always
    better.  A score that is no ratio is left out, by name.
    """
    parts: dict[str, float] = {}
    excluded: dict[str, str] = {}
    for task, score in scores.items():
        if score.ratio:
            parts[task] = score.value if score.higher_is_better else 1 - score.value
        else:
            excluded[task] = f"{score.metric} is not known to be a share of 1"
    return Average(_mean(parts.values()), tuple(parts), excluded)


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else None
