"""Let base and adapters answer in turns, look, and stop when every unit is decided.

Each look's documents are answered by the base and then by each adapter; ``marking`` says
who is right, ``deciding`` whether it is enough.  What a ledger holds already is not asked.
Used by ``group`` in place of answering one variant after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rdagent.inside.evaluate.deciding import Contest
from rdagent.inside.evaluate.grouping import Group
from rdagent.inside.evaluate.marking import Marker, NotRightOrWrong
from rdagent.inside.evaluate.order import Item
from rdagent.records.ledger import Ledger
from rdagent.records.plan import Request
from rdagent.records.requests import BASE_VARIANT, EvaluateRequest
from rdagent.records.status import InsideStatus
from rdagent.records.stopping import Stopping, StopRule

if TYPE_CHECKING:
    from rdagent.inside.evaluate.planning import Planned

#: Has a variant answer what it has no answer to; returns how that went.
Ask = Callable[[str, Sequence[Request]], InsideStatus]


def why_not(request: EvaluateRequest, groups: Sequence[Group]) -> str | None:
    """Return why a request that may stop cannot be evaluated, None for one that can."""
    if request.stop is None:
        return None
    if request.stage in ("infer", "score") or request.shards > 1 or request.engine == "endpoint":
        return "to stop when decided takes one process that asks and scores"
    names = [one.name for one in request.variants if one.adapter is not None]
    if not names or BASE_VARIANT not in {one.name for one in request.variants}:
        return "to stop when decided takes the base and at least one adapter on it"
    apart = [one.name for group in groups[1:] for one in group.variants]
    if apart:
        return (
            f"to stop when decided takes adapters that share an engine with their base, and"
            f" {apart[0]!r} has one of its own: another model, or an adapter that is merged, has"
            " its own vocabulary or cannot be taken off without a trace"
        )
    return None


class Decider:
    """Asks in turns until it is decided; what then counts is in ``kept`` and ``outcome``."""

    def __init__(
        self,
        rule: StopRule,
        planned: Planned,
        marker: Marker,
        ledgers: Mapping[str, Ledger],
        ask: Ask,
    ) -> None:
        self._rule, self._planned, self._marker = rule, planned, marker
        self._ledgers, self._ask = ledgers, ask
        self._adapters = [name for name in ledgers if name != BASE_VARIANT]
        #: Fixed by what was asked for: whoever fails leaves its share to nobody.
        self._comparisons = len(planned.units) * len(self._adapters)
        alpha = rule.alpha / max(self._comparisons, 1)
        self._contests = [Contest(unit, self._adapters, alpha) for unit in planned.units]
        #: Variants that could not answer, and why.
        self.failed: dict[str, InsideStatus] = {}

    def run(self) -> None:
        """Ask look by look until nothing is open, or nobody is left to be compared."""
        for look in range(max((len(one.unit.looks) for one in self._contests), default=0)):
            here = [one for one in self._contests if one.open and look < len(one.unit.looks)]
            if here and self._compared():
                self._answer(look, here)
            if self._compared():
                for contest in here:
                    self._decide(contest, contest.unit.slice(look))

    def _compared(self) -> list[str]:
        """Return the adapters that still answer, none where the base does not."""
        return [] if BASE_VARIANT in self.failed else [*self._left()]

    def _left(self) -> Iterable[str]:
        return (name for name in self._adapters if name not in self.failed)

    def _answer(self, look: int, contests: Sequence[Contest]) -> None:
        items = (item for contest in contests for item in contest.unit.slice(look))
        needed = self._marker.needed(items)
        requests = [one for one in self._planned.requests if one.name in needed]
        for name in (BASE_VARIANT, *self._left()):
            if self._ledgers[name].missing(requests):
                status = self._ask(name, requests)
                if status.reason != "ok":
                    self._fail(name, status)
            if BASE_VARIANT in self.failed:
                return

    def _fail(self, name: str, status: InsideStatus) -> None:
        self.failed[name] = status
        for contest in self._contests:
            contest.drop(name)
        if name == BASE_VARIANT:
            told = InsideStatus(status.reason, f"the base could not answer: {status.message}")
            self.failed |= {adapter: told for adapter in self._left()}
        elif not self._compared():
            told = InsideStatus("incomplete", "no adapter is left that it could be compared with")
            self.failed.setdefault(BASE_VARIANT, told)

    def _decide(self, contest: Contest, items: Sequence[Item]) -> None:
        if not contest.decidable:
            return
        names = (BASE_VARIANT, *self._left())
        try:
            marks = {
                name: self._marker.mark(name, contest.unit, items, self._ledgers[name])
                for name in names
            }
        except NotRightOrWrong as why:
            contest.give_up(str(why))
            return
        for place in range(len(items)):
            if not contest.open:
                return
            adapters = {name: marks[name][place] for name in names if name != BASE_VARIANT}
            contest.add(base=marks[BASE_VARIANT][place], adapters=adapters)

    def kept(self) -> set[Item]:
        """Return the documents that the scores stand on: the same ones for every model."""
        return {item for one in self._contests for item in one.unit.items[: one.answered()]}

    def outcome(self, seed: int) -> Stopping:
        """Return what came of it."""
        tasks = {
            one.unit.name: one.outcome(self._marker.metric(one.unit)) for one in self._contests
        }
        return Stopping(self._rule.alpha, self._comparisons, seed, tasks)
