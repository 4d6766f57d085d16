"""Instruction records as HomeBench releases them, typed: who asks what, and the gold.

A gold is a text in three single quotes, ``''' kitchen.light.turn_on()'''`` for one
operation, ``'''error_input,kitchen.light.turn_on(),'''`` for several.  ``homes`` reads what
the operations act on, ``audit`` looks for golds that cannot be right.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.suites.homebench.data.lines import (
    Place,
    as_integer,
    as_text,
    field,
    read_lines,
    shown,
)
from rdagent.suites.homebench.scoring.categories import CATEGORIES, category_of
from rdagent.suites.homebench.scoring.operations import ERROR_INPUT, parse_call, read_gold

_TEXT_LIMIT = 100_000
_ID_LIMIT = 200
_SIZE = re.compile(r"multi(\d{1,4})_\w+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Operation:
    """One call; a device without a room counts as a room of its own, by its name."""

    room: str
    device: str
    method: str
    argument: str

    @property
    def text(self) -> str:
        """The call as golds write it."""
        place = self.device if self.room == self.device else f"{self.room}.{self.device}"
        return f"{place}.{self.method}({self.argument})"


@dataclass(frozen=True, slots=True)
class Record:
    """One instruction to one home."""

    id: str
    input: str
    #: Exactly what the file says; ``gold`` is what it means.
    output: str
    home_id: int
    type: str
    gold: tuple[str, ...]

    @property
    def category(self) -> str:
        """VS, IS, VM, IM or MM."""
        return str(category_of(self.type))

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The calls of the gold; what is no call (``error_input``, say) is left out."""
        read = (read_operation(text) for text in self.gold)
        return tuple(operation for operation in read if operation is not None)

    @property
    def size(self) -> int | None:
        """How many operations the type says that there are; None where it does not say."""
        found = _SIZE.fullmatch(self.type)
        if found:
            return int(found[1])
        return None if self.type.startswith("multi") else 1

    def to_json(self) -> dict[str, Any]:
        """Return the record as the released files hold it: five fields, in their order."""
        return {
            "id": self.id,
            "input": self.input,
            "output": self.output,
            "home_id": self.home_id,
            "type": self.type,
        }


def write_gold(operations: Iterable[str], *, several: bool) -> str:
    """Return operations as a released gold: a comma after each of several, none after one."""
    given = tuple(operations)
    if several:
        return f"'''{''.join(f'{each},' for each in given)}'''"
    return f"'''{ERROR_INPUT if given[0] == ERROR_INPUT else f' {given[0]}'}'''"


def read_operation(text: str) -> Operation | None:
    """Read a call; None for what is none."""
    call = parse_call(text)
    if call is None:
        return None
    room, _, device = call.device.rpartition(".")
    return Operation(room or device, device, call.method, call.argument)


def read_records(*paths: Path) -> tuple[Record, ...]:
    """Read the files of one split; an id that stands there twice is refused."""
    seen: dict[str, Place] = {}
    records = []
    for path in paths:
        for place, document in read_lines(path):
            record = _record(place, document)
            if record.id in seen:
                first = seen[record.id]
                place.refuse(
                    f"the id {shown(record.id)} stands on line {first.line} of {first.file} too",
                    "an id of its own for every record",
                )
            seen[record.id] = place
            records.append(record)
    return tuple(records)


def _record(place: Place, document: Mapping[str, Any]) -> Record:
    at, kind = field(place, document, "type")
    if not isinstance(kind, str) or category_of(kind) is None:
        at.refuse(
            f"{shown(kind)} is no type of a record",
            "normal, unexist_device, unexist_attribute, or multi<k>_ before one of"
            " normal, unexist_device, unexist_attribute, mix",
        )
    output = as_text(*field(place, document, "output"), _TEXT_LIMIT)
    at, home = field(place, document, "home_id")
    if not isinstance(home, int) or as_integer(at, home) < 0:
        at.refuse(f"{shown(home)} is no home", "a whole number from 0")
    gold = read_gold(output)
    if not gold:
        place.into("output").refuse("there is no operation", "at least one")
    return Record(
        id=_id(*field(place, document, "id")),
        input=as_text(*field(place, document, "input"), _TEXT_LIMIT),
        output=output,
        home_id=home,
        type=kind,
        gold=gold,
    )


def _id(place: Place, value: Any) -> str:
    text = as_text(place, value, _ID_LIMIT)
    if not text.isprintable() or text != text.strip():
        place.refuse(f"{shown(value)} is no id", "a short text on one line")
    return text


def count_categories(records: Iterable[Record]) -> dict[str, int]:
    """Return how many records each category has, the five always."""
    found = Counter(record.category for record in records)
    return {category: found[category] for category in CATEGORIES}
