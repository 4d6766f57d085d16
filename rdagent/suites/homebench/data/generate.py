"""Make a data set of any size: homes, and requests to them, in HomeBench's files.

Everything follows from the plan, its seed included: equal plans give equal bytes.  Splits
share no home, categories are balanced, and no instruction is given twice to one home.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rdagent.demo.homes import HomeSize
from rdagent.errors import UsageError
from rdagent.files.atomic import write_json, write_text
from rdagent.suites.homebench.data.catalogue import VOCABULARIES
from rdagent.suites.homebench.data.files import HOMES_FILE, SPLITS
from rdagent.suites.homebench.data.generated_homes import MadeHome, make_home
from rdagent.suites.homebench.data.records import Record, count_categories, write_gold
from rdagent.suites.homebench.data.sentences import Voice
from rdagent.suites.homebench.data.wishes import Wishes, WishType
from rdagent.suites.homebench.data.words import Language
from rdagent.suites.homebench.scoring.categories import CATEGORIES
from rdagent.suites.homebench.scoring.operations import read_gold

FIRST_HOME = 1000
MANIFEST = "generated.json"
SCHEMA = "rdagent.homebench.generated/1"
FILES: Mapping[str, str] = {
    "train": "train_data_part1.jsonl",
    "valid": "valid_data.jsonl",
    "test": "test_data.jsonl",
}
_TRIES = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made."""

    homes: int
    records: int
    language: Literal["en", "zh", "both"] = "en"
    rooms: tuple[int, int] = (2, 3)
    devices: tuple[int, int] = (2, 4)
    #: How many parts a request of several has, as far as the home has so much to ask for.
    operations: tuple[int, int] = (2, 4)
    #: How often a number is changed by so much, instead of set.
    relative: float = 0.25
    vocabulary: Literal["plain", "released"] = "released"
    seed: int = 0
    #: Shares of the homes.
    split: Mapping[str, float] = field(
        default_factory=lambda: {"train": 0.8, "valid": 0.1, "test": 0.1}
    )

    def check(self) -> None:
        """Raise UsageError for a plan that cannot be carried out."""
        if self.homes < 1 or self.records < self.homes:
            raise UsageError(
                f"{self.records} records for {self.homes} homes", hint="Give every home one."
            )
        rooms = len(VOCABULARIES[self.vocabulary].rooms)
        for name, (low, high), most in (
            ("rooms", self.rooms, rooms),
            ("devices", self.devices, 12),
            ("operations", self.operations, 10),
        ):
            least = 2 if name == "operations" else 1
            if not least <= low <= high <= most:
                raise UsageError(
                    f"{name} {low}-{high}", hint=f"Give two numbers within {least} and {most}."
                )
        if not 0 <= self.relative <= 1:
            raise UsageError(f"relative {self.relative}", hint="Give a share from 0 to 1.")
        parts = set(self.split) <= set(SPLITS) and all(0 < s <= 1 for s in self.split.values())
        if not parts or abs(sum(self.split.values()) - 1) > 1e-6:
            raise UsageError(
                f"the split is {dict(self.split)}",
                hint="Shares of train, valid and test make 1: train=.8,valid=.1,test=.1",
            )
        if self.homes < len(self.split):
            raise UsageError(
                f"{self.homes} homes for {len(self.split)} splits",
                hint="Every split has homes of its own: give more homes, or fewer splits.",
            )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A home with what was asked of it."""

    made: MadeHome
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Generated:
    """A data set that was made."""

    plan: Plan
    homes: tuple[MadeHome, ...]
    splits: Mapping[str, tuple[Record, ...]]


def generate(plan: Plan) -> Generated:
    """Make the data set of a plan; raises UsageError when homes are too small for it."""
    plan.check()
    asked = _asked_homes(plan)
    splits = {
        split: tuple(record for home_id in ids for record in asked[home_id].records)
        for split, ids in _share_out(plan, list(asked)).items()
    }
    return Generated(plan, tuple(each.made for each in asked.values()), splits)


def write(generated: Generated, folder: Path) -> tuple[str, ...]:
    """Write the files and return their names; what of those names is there is replaced."""
    documents = [home.document for home in generated.homes]
    write_text(folder / HOMES_FILE, _lines(documents))
    for split, records in generated.splits.items():
        write_text(folder / FILES[split], _lines([record.to_json() for record in records]))
    plan = {**asdict(generated.plan), "split": dict(generated.plan.split)}
    counts = {name: count_categories(records) for name, records in generated.splits.items()}
    write_json(folder / MANIFEST, {"schema": SCHEMA, "plan": plan, "categories": counts})
    return (HOMES_FILE, *(FILES[split] for split in generated.splits), MANIFEST)


def _lines(documents: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in documents)


def _asked_homes(plan: Plan) -> Mapping[int, _Asked]:
    """Draw homes until enough of them differ from each other and have enough to ask for."""
    size, vocabulary = HomeSize(plan.rooms, plan.devices), VOCABULARIES[plan.vocabulary]
    rng = random.Random(f"homes {plan.seed}")
    found: dict[int, _Asked] = {}
    seen: set[str] = set()
    for _ in range(plan.homes * _TRIES):
        made = make_home(rng, FIRST_HOME + len(found), size, vocabulary)
        content = json.dumps({**made.document, "home_id": 0}, sort_keys=True)
        if content in seen:
            continue
        records = _Asker(plan, made).records(_numbers(plan, len(found)))
        if records is not None:
            seen.add(content)
            found[made.home.home_id] = _Asked(made, records)
        if len(found) == plan.homes:
            return found
    raise UsageError(
        f"only {len(found)} different homes of this size have enough to ask for",
        hint="Give larger --rooms or --devices, fewer --records, or fewer parts (--operations).",
    )


def _numbers(plan: Plan, place: int) -> range:
    """Return which of all records the home at a place gets: as many as the others, or one more."""
    share, more = divmod(plan.records, plan.homes)
    start = place * share + min(place, more)
    return range(start, start + share + (place < more))


def _share_out(plan: Plan, ids: list[int]) -> dict[str, list[int]]:
    """Deal the homes out to the splits, at least one to each."""
    order = list(ids)
    random.Random(f"split {plan.seed}").shuffle(order)
    names = [split for split in SPLITS if split in plan.split]
    counts = {name: max(1, round(plan.split[name] * len(order))) for name in names}
    largest = max(names, key=lambda name: counts[name])
    counts[largest] += len(order) - sum(counts.values())
    dealt, start = {}, 0
    for name in names:
        dealt[name] = sorted(order[start : start + counts[name]])
        start += counts[name]
    return dealt


class _Asker:
    """Asks one home; draws from a generator of the home's own."""

    def __init__(self, plan: Plan, made: MadeHome) -> None:
        self._plan, self._id = plan, made.home.home_id
        vocabulary = VOCABULARIES[plan.vocabulary]
        self._rng = random.Random(f"records {plan.seed} {self._id}")
        self._wishes = Wishes.of(made.home, vocabulary, plan.relative)
        spoken: tuple[Language, ...] = ("en", "zh") if plan.language == "both" else (plan.language,)
        self._voices = [Voice(each, varied=vocabulary.varied) for each in spoken]
        self._asked: set[str] = set()

    def records(self, numbers: range) -> tuple[Record, ...] | None:
        """Ask once for each number; None when there is too little to ask for.

        The numbers decide on categories, and so balance them.
        """
        drawn = []
        for number in numbers:
            asked = self._ask(number)
            if asked is None:
                return None
            drawn.append(asked)
        self._rng.shuffle(drawn)
        return tuple(self._numbered(drawn))

    def _numbered(self, drawn: list[tuple[str, str, str]]) -> Iterator[Record]:
        counts = {"one": 0, "multi": 0}
        for type_, text, output in drawn:
            kind = "multi" if type_.startswith("multi") else "one"
            id_ = f"home{self._id}_{kind}_{counts[kind]}"
            counts[kind] += 1
            yield Record(id_, text, output, self._id, type_, read_gold(output))

    def _ask(self, number: int) -> tuple[str, str, str] | None:
        """Return type, instruction and output of a request that this home did not have yet."""
        category, turn = CATEGORIES[number % 5], number // 5
        voice = self._voices[turn % len(self._voices)]
        wrong: WishType = ("unexist_device", "unexist_attribute")[turn // len(self._voices) % 2]
        for _ in range(_TRIES):
            type_, types = self._types(category, wrong)
            wishes = self._wishes.draw(self._rng, types)
            if wishes is None:
                wrong = "unexist_device"
                continue
            text = voice.say(self._rng, wishes)
            if text not in self._asked:
                self._asked.add(text)
                several = len(wishes) > 1
                return type_, text, write_gold([w.gold for w in wishes], several=several)
        return None

    def _types(self, category: str, wrong: WishType) -> tuple[str, list[WishType]]:
        """Return a record's type, and the types of its parts."""
        if category == "VS":
            return "normal", ["normal"]
        if category == "IS":
            return wrong, [wrong]
        low, high = self._plan.operations
        if category == "MM":
            return self._mix(self._rng.randint(low, high))
        part: WishType = "normal" if category == "VM" else wrong
        size = self._rng.randint(low, max(low, min(high, self._wishes.most(part))))
        return f"multi{size}_{part}", [part] * size

    def _mix(self, size: int) -> tuple[str, list[WishType]]:
        valid = min(self._rng.randint(1, size - 1), self._wishes.most("normal"))
        wrong: tuple[WishType, ...] = ("unexist_device", "unexist_attribute")
        parts: list[WishType] = ["normal"] * valid
        while len(parts) < size:
            lacks = self._wishes.most("unexist_attribute") > parts.count("unexist_attribute")
            parts.append(self._rng.choice(wrong) if lacks else "unexist_device")
        self._rng.shuffle(parts)
        return f"multi{size}_mix", parts
