"""A run that stops when it is decided: the rule that it is told, and what came of it.

The rule is part of ``request.json``; what came of it stands in ``variant.json`` and in the
``config`` of the results.  Images write both, the host reads them as a stranger's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from rdagent.errors import ResultError
from rdagent.records.fields import Fields

#: The most that the probability of any wrong decision in a run may be.
ALPHA = 0.05
#: Where it stands in results' ``config`` and in ``variant.json``.
STOPPING_KEY = "stop_when_decided"
Decision = Literal["improved", "regressed"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)


@dataclass(frozen=True, slots=True)
class StopRule:
    """What a run is told that may stop."""

    alpha: float = ALPHA
    #: Task or group → the metrics that it may be decided by, the first choice first.
    metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Metrics by preference, for tasks of which none is named.
    preference: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        metrics = {name: list(keys) for name, keys in self.metrics.items()}
        return {"alpha": self.alpha, "metrics": metrics, "preference": list(self.preference)}

    @classmethod
    def from_json(cls, document: Any) -> StopRule:
        """Read the JSON object; raises ResultError when it is none."""
        fields = Fields(document, "request.json: stop")
        alpha = fields.number("alpha")
        if not 0 < alpha < 1:
            raise ResultError(f"request.json: stop: alpha cannot be {alpha}")
        metrics = Fields(fields.mapping("metrics"), "request.json: stop: metrics")
        named = {name: metrics.texts(name) for name in fields.mapping("metrics")}
        return cls(alpha, named, fields.texts("preference"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One adapter against the base, on the documents that both answered."""

    decision: Decision | None
    #: After how many documents it was decided.
    decided_at: int | None
    #: Documents that only the base, and only the adapter, has right.
    b: int
    c: int
    #: The evidence after the last document.
    e: float
    #: A p-value that holds however often one looked: 1 over the largest evidence.
    p: float

    @classmethod
    def from_fields(cls, fields: Fields) -> Verdict:
        """Read the JSON object."""
        said = fields.text_or_none("decision")
        decision = next((one for one in DECISIONS if one == said), None)
        e, p = fields.number("e"), fields.number("p")
        if said != decision or not 0 <= p <= 1 or not 0 <= e < math.inf:
            raise ResultError(f"{STOPPING_KEY}: {said!r}, e {e}, p {p} is no verdict")
        at = None if decision is None else _count(fields, "decided_at")
        return cls(decision, at, _count(fields, "b"), _count(fields, "c"), e, p)


@dataclass(frozen=True, slots=True)
class StoppedTask:
    """How far one task came, or a group that is decided on as one."""

    planned: int
    #: Documents that every model answered and that the scores stand on.
    answered: int
    #: What makes an item right or wrong; None where nothing does.
    metric: str | None
    adapters: Mapping[str, Verdict]
    #: Why nothing could be decided, in words.
    why_not: str | None = None

    @property
    def stopped(self) -> bool:
        """Whether documents were left out."""
        return self.answered < self.planned

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "stopped": self.stopped,
            "planned": self.planned,
            "answered": self.answered,
            "metric": self.metric,
            "adapters": {name: asdict(verdict) for name, verdict in self.adapters.items()},
            "why_not": self.why_not,
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> StoppedTask:
        """Read the JSON object."""
        adapters = fields.mapping("adapters")
        planned, answered = _count(fields, "planned"), _count(fields, "answered")
        if answered > planned:
            raise ResultError(f"{STOPPING_KEY}: {answered} of {planned} documents")
        return cls(
            planned,
            answered,
            fields.text_or_none("metric"),
            {
                str(name): Verdict.from_fields(Fields(said, STOPPING_KEY))
                for name, said in adapters.items()
            },
            fields.text_or_none("why_not"),
        )


@dataclass(frozen=True, slots=True)
class Stopping:
    """What came of a run that may stop, for all its models."""

    alpha: float
    #: Tasks times adapters: each has its share of ``alpha``.
    comparisons: int
    #: What the order of the documents was drawn with.
    seed: int
    tasks: Mapping[str, StoppedTask]

    @property
    def stopped(self) -> bool:
        """Whether documents of any task were left out."""
        return any(task.stopped for task in self.tasks.values())

    def said(self) -> str:
        """Return how far the tasks came that stopped, on one line."""
        told = [
            f"{name} {task.answered} of {task.planned}"
            for name, task in self.tasks.items()
            if task.stopped
        ]
        return f"{', '.join(told)} documents" if told else ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "alpha": self.alpha,
            "comparisons": self.comparisons,
            "seed": self.seed,
            "stopped": self.stopped,
            "tasks": {name: task.to_json() for name, task in self.tasks.items()},
        }

    @classmethod
    def from_json(cls, document: Any) -> Stopping:
        """Read the JSON object; raises ResultError when it is none."""
        fields = Fields(document, STOPPING_KEY)
        tasks = fields.mapping("tasks")
        return cls(
            fields.number("alpha"),
            _count(fields, "comparisons"),
            fields.integer("seed"),
            {
                str(name): StoppedTask.from_fields(Fields(said, STOPPING_KEY))
                for name, said in tasks.items()
            },
        )


def _count(fields: Fields, name: str) -> int:
    number = fields.integer(name)
    if number < 0:
        raise ResultError(f"{STOPPING_KEY}: {name} cannot be {number}")
    return number
