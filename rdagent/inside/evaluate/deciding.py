"""Decide on one unit, document by document, for every adapter against the base.

Needs no harness: ``marking`` says what is right, ``statistics.sequential`` when it is
enough, ``stopping`` asks.  What is decided stays decided, and depends on the order of the
documents alone: not on where it was looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rdagent.inside.evaluate.order import Unit
from rdagent.records.stopping import StoppedTask, Verdict
from rdagent.statistics.sequential import Sequential


class Contest:
    """The base against each adapter, on one unit."""

    def __init__(self, unit: Unit, adapters: Iterable[str], alpha: float) -> None:
        self.unit = unit
        self._tests = {name: Sequential(alpha) for name in adapters}
        self._decided_at: dict[str, int] = {}
        self._seen = 0
        self._why_not: str | None = None
        #: A group is not scored before each of its tasks has a document.
        self._waiting = {task for task, _ in unit.items}

    @property
    def open(self) -> bool:
        """Whether the next document is still wanted."""
        if self._seen == len(self.unit.items):
            return False
        if self._why_not is not None or self._waiting:
            return True
        return any(test.decided is None for test in self._tests.values())

    @property
    def decidable(self) -> bool:
        """Whether its items are right or wrong, as far as is known."""
        return self._why_not is None

    def add(self, *, base: bool, adapters: Mapping[str, bool]) -> None:
        """Take the next document of the order."""
        task, _ = self.unit.items[self._seen]
        self._seen += 1
        self._waiting.discard(task)
        for name, test in self._tests.items():
            test.add(base, adapters[name])
            if test.decided is not None:
                self._decided_at.setdefault(name, self._seen)

    def drop(self, adapter: str) -> None:
        """Go on without an adapter that cannot answer."""
        self._tests.pop(adapter, None)

    def give_up(self, why: str) -> None:
        """Have everything answered: nothing can be decided."""
        self._why_not = why

    def answered(self) -> int:
        """Return how many documents of the order the scores stand on."""
        return self._seen if self.decidable else len(self.unit.items)

    def outcome(self, metric: str | None) -> StoppedTask:
        """Return what came of it."""
        return StoppedTask(
            planned=len(self.unit.items),
            answered=self.answered(),
            metric=metric if self.decidable else None,
            adapters=self._verdicts() if self.decidable else {},
            why_not=self._why_not,
        )

    def _verdicts(self) -> dict[str, Verdict]:
        return {
            name: Verdict(test.decided, self._decided_at.get(name), test.b, test.c, test.e, test.p)
            for name, test in self._tests.items()
        }
