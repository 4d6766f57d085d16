"""Which records are asked in a mode, and with which prompt: a file of lines for the tasks.

Records come sorted by home, so that requests to one home share the beginning of their
prompts.  ``suite`` makes a task of it; ``running`` reads the answers back by id.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.errors import UsageError
from rdagent.suites.homebench.data.audit import RELEASED_SHOT_LEAKS, audit, usable
from rdagent.suites.homebench.data.files import (
    DEFAULT_FOLDER,
    is_released,
    read_data,
    split_files,
)
from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.records import Record
from rdagent.suites.homebench.prompts import Mode, Shot, Style, render, render_answer
from rdagent.suites.homebench.retrieval.retrievers import DEFAULT_TOP_K
from rdagent.suites.homebench.shots import draw_shots

DEFAULT_SHOTS = 4


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked of a model."""

    mode: Mode = "zero-shot"
    data: Path = DEFAULT_FOLDER
    split: str = "test"
    shots: int = DEFAULT_SHOTS
    retriever: str = "lexical"
    top_k: int = DEFAULT_TOP_K
    limit: int | None = None
    #: A limit takes records of all kinds in the shares that they have, at least one of each.
    stratified: bool = False
    exclude_audited: bool = False
    style: Style = "released"
    seed: int = 1234
    #: Record → the rooms that are shown; filled in mode ``rag`` by whoever retrieves.
    rooms: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """The records with all that their prompts are made of."""

    records: tuple[Record, ...]
    homes: Mapping[int, Home]
    shots: tuple[Shot, ...]


def select(asking: Asking) -> Asked:
    """Return the records that are asked, sorted by home, and the examples that they are shown."""
    needs_train = asking.mode == "few-shot"
    splits = (asking.split, "train") if needs_train else (asking.split,)
    data = read_data(asking.data, splits)
    if asking.split not in data.splits:
        raise UsageError(f"{asking.data} has no {asking.split}_data.jsonl")
    records = data.splits[asking.split]
    _require_homes(records, data.homes)
    if asking.exclude_audited:
        leaked = RELEASED_SHOT_LEAKS if _released(asking) else ()
        records = usable(records, audit(records, data.homes, split=asking.split, leaked=leaked))
    kept = _limited(records, asking)
    shots: tuple[Shot, ...] = ()
    if needs_train:
        shots = draw_shots(
            sound_training(data.splits.get("train", ()), data.homes, others=records),
            data.homes,
            count=asking.shots,
            seed=asking.seed,
            excluded=records,
        )
    ordered = tuple(sorted(kept, key=lambda record: record.home_id))
    return Asked(ordered, data.homes, shots)


def sound_training(
    train: Sequence[Record], homes: Mapping[int, Home], others: Sequence[Record]
) -> tuple[Record, ...]:
    """Return the training records whose gold can be learned from, and that give nothing away."""
    return usable(train, audit(train, homes, split="train", others=others))


def _released(asking: Asking) -> bool:
    return all(is_released(path) for path in split_files(asking.data, asking.split))


def _require_homes(records: Sequence[Record], homes: Mapping[int, Home]) -> None:
    lacking = sorted({record.home_id for record in records if record.home_id not in homes})
    if lacking:
        named = ", ".join(map(str, lacking[:5]))
        raise UsageError(
            f"{len(lacking)} homes of the records are not among the homes: {named}",
            hint="Records and home_status_method.jsonl have to be of one data set.",
        )


def _limited(records: Sequence[Record], asking: Asking) -> Sequence[Record]:
    if asking.limit is None or asking.limit >= len(records):
        return records
    if asking.limit < 1:
        raise UsageError(f"--limit {asking.limit}: a number from 1 is expected")
    return _stratified(records, asking) if asking.stratified else records[: asking.limit]


def _stratified(records: Sequence[Record], asking: Asking) -> list[Record]:
    """Draw of each category its share, of the rarest at least one; the same for a seed."""
    assert asking.limit is not None  # noqa: S101 - the caller has looked
    by_category: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_category[record.category].append(record)
    quotas = _quotas({name: len(found) for name, found in by_category.items()}, asking.limit)
    drawn = []
    for name, found in by_category.items():
        rng = random.Random(f"stratified {asking.seed} {name}")
        drawn += rng.sample(found, quotas[name])
    place = {record.id: number for number, record in enumerate(records)}
    return sorted(drawn, key=lambda record: place[record.id])


def _quotas(sizes: Mapping[str, int], limit: int) -> dict[str, int]:
    """Share out ``limit`` by size: one each as far as it goes, then by largest remainder."""
    if limit < len(sizes):
        kept = sorted(sizes, key=lambda name: -sizes[name])[:limit]
        return {name: int(name in kept) for name in sizes}
    total = sum(sizes.values())
    exact = {name: limit * size / total for name, size in sizes.items()}
    quotas = {name: min(sizes[name], max(1, math.floor(share))) for name, share in exact.items()}
    order = sorted(sizes, key=lambda name: quotas[name] - exact[name])
    while sum(quotas.values()) < limit:
        name = next(name for name in order if quotas[name] < sizes[name])
        quotas[name] += 1
        order.sort(key=lambda name: quotas[name] - exact[name])
    while sum(quotas.values()) > limit:
        name = max(
            (name for name in quotas if quotas[name] > 1), key=lambda n: quotas[n] - exact[n]
        )
        quotas[name] -= 1
    return quotas


def lines(asked: Asked, asking: Asking) -> Iterator[str]:
    """Yield a line for each record: what the tasks read."""
    for record in asked.records:
        yield json.dumps(_document(record, asked, asking), ensure_ascii=False) + "\n"


def _document(record: Record, asked: Asked, asking: Asking) -> dict[str, Any]:
    rooms = asking.rooms.get(record.id) if asking.mode == "rag" else None
    if asking.mode == "rag" and rooms is None:
        raise UsageError(f"record {record.id} has no retrieved rooms", hint="Retrieve again.")
    prompt = render(
        record,
        asked.homes[record.home_id],
        mode=asking.mode,
        shots=asked.shots,
        rooms=rooms,
        style=asking.style,
    )
    return {
        **record.to_json(),
        "category": record.category,
        "answer": render_answer(record),
        "prompt": prompt.folded,
        "rooms": ",".join(rooms or ()),
    }
