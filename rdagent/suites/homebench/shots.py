"""Examples for few-shot prompts: drawn from training records with a seed, never from test.

Each is shown with the rooms of its own home that it needs, so that a refusal or a change by a
number can be understood from what is shown.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from rdagent.errors import UsageError
from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.records import Record
from rdagent.suites.homebench.prompts import Shot, render_rooms
from rdagent.suites.homebench.retrieval.retrievers import Oracle

#: The paper's order: with k examples, those of the first k categories.
ORDER = ("VS", "IS", "VM", "MM", "IM")
#: Examples of several parts have so many at most, if there are such; each may need a room.
MOST_PARTS = 3
#: Of so many that are drawn, the one whose rooms are shown in the fewest characters is taken.
SHORTEST_OF = 8


def draw_shots(
    train: Iterable[Record],
    homes: Mapping[int, Home],
    *,
    count: int,
    seed: int = 0,
    excluded: Iterable[Record] = (),
) -> tuple[Shot, ...]:
    """Draw ``count`` examples, one of each category in the paper's order.

    ``excluded`` are the records that will be asked: none of them, and nothing that asks the
    same of the same home, is drawn.  Equal records and seeds give equal examples, whatever
    their order, and k examples are the first k of k + 1.
    """
    if not 1 <= count <= len(ORDER):
        raise UsageError(f"{count} examples", hint=f"Give a number from 1 to {len(ORDER)}.")
    asked = list(excluded)
    ids = {record.id for record in asked}
    questions = {(record.home_id, record.input) for record in asked}
    candidates = [
        record
        for record in train
        if record.id not in ids
        and (record.home_id, record.input) not in questions
        and record.home_id in homes
    ]
    return tuple(_draw(candidates, homes, category, seed) for category in ORDER[:count])


def _draw(
    candidates: Sequence[Record], homes: Mapping[int, Home], category: str, seed: int
) -> Shot:
    fitting = [record for record in candidates if record.category == category]
    most = max(MOST_PARTS, min((len(record.gold) for record in fitting), default=0))
    few = sorted((r for r in fitting if len(r.gold) <= most), key=lambda record: record.id)
    random.Random(f"shots {seed} {category}").shuffle(few)
    shots = (_shot(record, homes[record.home_id]) for record in few)
    drawn = list(islice((shot for shot in shots if shot.rooms), SHORTEST_OF))
    if drawn:
        return min(drawn, key=_length)
    raise UsageError(
        f"there is no training record of category {category} to show as an example",
        hint="Few-shot prompts take their examples from train_data_part1.jsonl and so on.",
    )


def _shot(record: Record, home: Home) -> Shot:
    return Shot(record, home, Oracle().rooms(record, home, 0))


def _length(shot: Shot) -> int:
    return len(render_rooms(shot.home, shot.rooms))
