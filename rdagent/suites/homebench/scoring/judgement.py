"""Judge the answers of a file one by one: both readings, counts, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rdagent.suites.homebench.scoring.errors import Faults, find_faults
from rdagent.suites.homebench.scoring.lenient import read_lenient, tidied
from rdagent.suites.homebench.scoring.operations import read_gold, read_strict, strange_gold
from rdagent.suites.homebench.scoring.records import Homes, Record
from rdagent.suites.homebench.scoring.score import Counts, count

#: What stands in the place of an error kind where a record has no gold to be scored by.
UNPARSABLE_GOLD = "unparsable_gold"


@dataclass(frozen=True, slots=True)
class Judged:
    """A record that was scored."""

    record: Record
    gold: tuple[str, ...]
    strict: Counts
    lenient: Counts
    #: Whether the strict reading found a place for operations.
    parsed: bool
    #: Something in the gold is neither a call nor ``error_input``; it was scored all the same.
    strange: bool
    home_known: bool
    faults: Faults

    @property
    def size(self) -> int:
        """How many operations were asked for."""
        return len(self.gold)

    def to_json(self) -> dict[str, Any]:
        """Return the record's line of ``--per-record``."""
        counts = self.strict
        return _line(
            self.record, counts.tp, counts.fp, counts.fn, counts.em, list(self.faults.kinds)
        )


@dataclass(frozen=True, slots=True)
class Unscored:
    """A record whose gold is no text: it counts nowhere, and is listed."""

    record: Record

    def to_json(self) -> dict[str, Any]:
        """Return the record's line of ``--per-record``, without counts."""
        return _line(self.record, None, None, None, None, [UNPARSABLE_GOLD])


def judge_all(records: Iterable[Record], homes: Homes | None = None) -> Iterator[Judged | Unscored]:
    """Judge records in their order."""
    for record in records:
        yield judge(record, homes.of(record.home) if homes else None)


def judge(record: Record, methods: frozenset[str] | None = None) -> Judged | Unscored:
    """Judge one answer; ``methods`` are those of its home, None where it is not known."""
    if record.gold is None:
        return Unscored(record)
    gold = read_gold(record.gold)
    strict, lenient = read_strict(record.prediction), read_lenient(record.prediction)
    return Judged(
        record=record,
        gold=gold,
        strict=count(strict.operations, gold),
        lenient=count(lenient.operations, tuple(tidied(operation) for operation in gold)),
        parsed=strict.parsed,
        strange=strange_gold(gold),
        home_known=methods is not None,
        faults=find_faults(strict, lenient, gold, methods, record.request),
    )


def _line(
    record: Record,
    tp: int | None,
    fp: int | None,
    fn: int | None,
    em: int | None,
    errors: list[str],
) -> dict[str, Any]:
    return {
        "index": record.index,
        "id": record.id,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "em": em,
        "errors": errors,
    }
