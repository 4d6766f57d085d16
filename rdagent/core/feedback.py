"""What comes back from an evaluation: texts to read, numbers to decide with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rdagent.records.reasons import Reason

SCHEMA = "rdagent.feedback/1"


@dataclass(frozen=True, slots=True)
class TaskScore:
    """One task's primary metric; ``value`` and ``stderr`` are fractions where it is a ratio."""

    metric: str
    filter: str | None
    value: float
    stderr: float | None
    n: int | None
    higher_is_better: bool
    #: Whether the value is a share of one, so that percent and averages make sense.
    ratio: bool


@dataclass(slots=True)
class Feedback:
    """Something that was found out about a piece of work."""

    def __bool__(self) -> bool:
        return True


@dataclass(slots=True)
class CoSTEERSingleFeedback(Feedback):
    """Feedback on one workspace.

    ``execution`` says what happened, ``return_checking`` is the report, ``code``
    the average in percent, ``final_decision`` whether the result may be used; None
    is undecided and counts as false.  The typed fields carry the same as numbers.
    """

    execution: str
    return_checking: str | None = None
    code: str = ""
    final_decision: bool | None = None
    scores: Mapping[str, TaskScore] = field(default_factory=dict)
    #: Set when base and tuned were compared.
    verdict: str | None = None
    reason: Reason = "ok"
    raw_execution: str = ""
    source_feedback: dict[str, bool] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.final_decision)

    def is_acceptable(self) -> bool:
        """Whether the result may be used."""
        return bool(self)

    def finished(self) -> bool:
        """Whether nothing more is to be done."""
        return bool(self)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"schema": SCHEMA, **asdict(self)}

    def __str__(self) -> str:
        decision = {True: "accepted", False: "rejected", None: "undecided"}[self.final_decision]
        parts = {
            "Execution": self.execution,
            "Return checking": self.return_checking or "nothing was checked",
            "Code": self.code or "no average",
            "Final decision": decision,
        }
        return "\n\n".join(f"--- {title} ---\n{text}" for title, text in parts.items())
