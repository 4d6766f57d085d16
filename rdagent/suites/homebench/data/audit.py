"""What is wrong with records: golds that contradict each other or the home, and leaks.

Pure functions over what ``records`` and ``homes`` read.  Nobody has to believe a list that
came with the data: every fault here is found in the records at hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.suites.homebench.data.files import Data
from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.lines import as_text, field, read_lines
from rdagent.suites.homebench.data.records import Record, count_categories
from rdagent.suites.homebench.scoring.operations import ERROR_INPUT, read_gold, strange_gold

#: Every kind of fault, and what it means, in the order in which they are told.
KINDS: Mapping[str, str] = {
    "conflicting_gold": "same home and instruction as another record, with another gold",
    "repeated": "same home, instruction and gold as a record before it",
    "method_not_listed": "the gold calls a method that the home does not offer",
    "value_out_of_range": "the gold sets a value that the home does not admit",
    "mix_but_all_error": "a mix whose gold refuses everything",
    "strange_gold": "the gold holds something that is neither a call nor error_input",
    "wrong_count": "the type names another number of operations than the gold has",
    "unknown_home": "the home is not among the homes",
    "shot_leak": "a published few-shot example with the same instruction and gold",
    "id_in_other_split": "the id stands in a split that comes later (train, valid, test)",
    "asked_in_other_split": "home and instruction stand in a split that comes later",
}
#: Records with these are no fair question, or none that may be trained on.
UNUSABLE = (
    "conflicting_gold",
    "method_not_listed",
    "unknown_home",
    "shot_leak",
    "id_in_other_split",
    "asked_in_other_split",
)
#: The released test records that the benchmark's own few-shot prompts give away.
RELEASED_SHOT_LEAKS = ("home22_multi_129", "home63_multi_25")


@dataclass(frozen=True, slots=True)
class Shown:
    """An example that models may have been shown: an instruction and its gold."""

    input: str
    gold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """The faults of one split: kind → ids of the records that have it, in their order."""

    split: str
    categories: Mapping[str, int]
    faults: Mapping[str, tuple[str, ...]]
    #: How many records are left without those that are unusable.
    usable: int

    def to_json(self) -> dict[str, Any]:
        """Return the audit for a document."""
        return {
            "records": sum(self.categories.values()),
            "categories": dict(self.categories),
            "usable": self.usable,
            "faults": {kind: list(ids) for kind, ids in self.faults.items()},
        }


def audit_data(
    data: Data, shown: Collection[Shown] = (), leaked: Collection[str] = ()
) -> list[Audit]:
    """Audit every split of a folder; each is held against those that come after it."""
    splits = list(data.splits.items())
    return [
        audit(
            records,
            data.homes,
            split=split,
            others=[record for _, later in splits[number:] for record in later],
            shown=shown,
            leaked=leaked if split == "test" else (),
        )
        for number, (split, records) in enumerate(splits, start=1)
    ]


def audit(
    records: Sequence[Record],
    homes: Mapping[int, Home],
    *,
    split: str = "test",
    others: Iterable[Record] = (),
    shown: Collection[Shown] = (),
    leaked: Collection[str] = (),
) -> Audit:
    """Find the faults of ``records``.

    ``others`` are the records that these must not give away, ``shown`` the examples that
    these must not be among, ``leaked`` ids that are known to be among such examples.
    """
    found: dict[str, tuple[str, ...]] = {
        **_repeats(records),
        **_golds(records, homes),
        "shot_leak": _shot_leaks(records, shown, leaked),
        **_leaks(records, others),
    }
    faults = {kind: found.get(kind, ()) for kind in KINDS}
    bare = Audit(split, count_categories(records), faults, 0)
    return Audit(split, bare.categories, faults, len(usable(records, bare)))


def usable(
    records: Iterable[Record], audit: Audit, kinds: Collection[str] = UNUSABLE
) -> tuple[Record, ...]:
    """Return the records that have none of the faults in ``kinds``."""
    out = {id_ for kind in kinds for id_ in audit.faults[kind]}
    return tuple(record for record in records if record.id not in out)


def _repeats(records: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    asked = defaultdict(list)
    for record in records:
        asked[record.home_id, record.input].append(record)
    found: dict[str, list[str]] = {"conflicting_gold": [], "repeated": []}
    for group in asked.values():
        if len(group) > 1:
            golds = {tuple(sorted(record.gold)) for record in group}
            if len(golds) > 1:
                found["conflicting_gold"] += [record.id for record in group]
            else:
                found["repeated"] += [record.id for record in group[1:]]
    return {kind: tuple(ids) for kind, ids in found.items()}


def _golds(records: Iterable[Record], homes: Mapping[int, Home]) -> dict[str, tuple[str, ...]]:
    found = defaultdict(list)
    for record in records:
        for kind in _gold_faults(record, homes.get(record.home_id)):
            found[kind].append(record.id)
    return {kind: tuple(ids) for kind, ids in found.items()}


def _gold_faults(record: Record, home: Home | None) -> Iterable[str]:
    if strange_gold(record.gold):
        yield "strange_gold"
    if record.size not in (None, len(record.gold)):
        yield "wrong_count"
    if record.category == "MM" and set(record.gold) == {ERROR_INPUT}:
        yield "mix_but_all_error"
    if home is None:
        yield "unknown_home"
        return
    operations = record.operations
    if any(home.method_of(operation) is None for operation in operations):
        yield "method_not_listed"
    shown = ((home.attribute_of(operation), operation.argument) for operation in operations)
    if any(attribute and not attribute.admits(argument) for attribute, argument in shown):
        yield "value_out_of_range"


def _shot_leaks(
    records: Iterable[Record], shown: Collection[Shown], leaked: Collection[str]
) -> tuple[str, ...]:
    given = {(each.input, tuple(sorted(each.gold))) for each in shown}
    return tuple(
        record.id
        for record in records
        if record.id in leaked or (record.input, tuple(sorted(record.gold))) in given
    )


def _leaks(records: Iterable[Record], others: Iterable[Record]) -> dict[str, tuple[str, ...]]:
    later = list(others)
    ids = {record.id for record in later}
    asked = {(record.home_id, record.input) for record in later}
    return {
        "id_in_other_split": tuple(r.id for r in records if r.id in ids),
        "asked_in_other_split": tuple(
            record.id for record in records if (record.home_id, record.input) in asked
        ),
    }


def read_shown(path: Path) -> tuple[Shown, ...]:
    """Read published examples: JSON lines with ``input``, and ``output`` as a gold or in braces."""
    examples = []
    for place, document in read_lines(path):
        output = as_text(*field(place, document, "output"), 100_000)
        gold = read_gold(output.replace("{", "").replace("}", ""))
        examples.append(Shown(as_text(*field(place, document, "input"), 100_000), gold))
    return tuple(examples)
