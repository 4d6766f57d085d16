"""Watch a training: its loss history, when it diverges, and how much of the data it learns from.

Free of torch, so that the rules can be tested as what they are; ``callback`` connects
them to the trainer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rdagent.errors import JobFailed, RefusedError

#: So many logs in a row must be bad: one alone may be a step that the optimizer skipped.
PATIENCE = 2
SAMPLED_ROWS = 200
IGNORED_LABEL = -100


@dataclass(frozen=True, slots=True)
class LossPoint:
    """What was logged at one step; a number that is not finite is None."""

    step: int
    epoch: float | None
    loss: float | None
    grad_norm: float | None
    learning_rate: float | None


@dataclass(slots=True)
class Watch:
    """Collects what the trainer logs; says when to stop."""

    #: Loss scaling (fp16) makes infinite gradients a part of normal work.
    trusts_gradients: bool = True
    points: list[LossPoint] = field(default_factory=list)
    supervised_share: float | None = None
    #: The last step of which something was logged, the summary at the end included.
    steps: int = 0
    bad_logs: int = 0

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Take in one log; one without a loss (an evaluation, the summary) tells the step only."""
        self.steps = step
        if "loss" not in values:
            return
        self.points.append(
            LossPoint(
                step,
                _finite(values.get("epoch")),
                _finite(values["loss"]),
                _finite(values.get("grad_norm")),
                _finite(values.get("learning_rate")),
            )
        )
        self.bad_logs = self.bad_logs + 1 if self._is_bad(values) else 0

    def _is_bad(self, values: Mapping[str, Any]) -> bool:
        gradient = values.get("grad_norm")
        if self.trusts_gradients and gradient is not None and _finite(gradient) is None:
            return True
        return _finite(values["loss"]) is None

    @property
    def diverged(self) -> bool:
        """Whether loss or gradient was not a number in two logs in a row."""
        return self.bad_logs >= PATIENCE

    def stop_if_diverged(self) -> None:
        """Raise JobFailed when the training diverged."""
        if self.diverged:
            first, last = self.points[-self.bad_logs].step, self.points[-1].step
            raise JobFailed(
                f"loss or gradient is not a number from step {first} to step {last}",
                reason="diverged",
                exit_code=6,
                hint="Lower learning_rate, or look for empty answers in the data.",
            )

    def examine(self, rows: Sequence[Sequence[int]]) -> None:
        """Count, in a sample of label rows, the tokens that are learned from."""
        total = sum(len(row) for row in rows)
        learned = sum(1 for row in rows for label in row if label != IGNORED_LABEL)
        if total:
            self.supervised_share = learned / total
        if total and not learned:
            raise RefusedError(
                f"none of the {total} tokens in {len(rows)} examples is learned from",
                hint="Raise cutoff_len, or check the columns in dataset_info.json: every "
                "answer was cut away or is empty.",
            )


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
