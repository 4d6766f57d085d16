"""Items that one side got right and the other wrong, with what both said.

Which are shown when there are too many is drawn with a seed, so that the same comparison
shows the same ones.
"""

from __future__ import annotations

import difflib
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rdagent.comparison.pairing import Pair
from rdagent.comparison.report import (
    DiffPart,
    Direction,
    Flip,
    FlipCount,
    Part,
    Settings,
    TaskComparison,
)
from rdagent.comparison.sides import TaskItems
from rdagent.comparison.texts import read_texts

#: Longer answers are shown without a diff: it would take long and tell little.
_DIFF_WORDS = 400
#: A word that comes so often is of an answer that runs in circles; a diff of it takes seconds.
_MOST_OFTEN = 60
_WORD = re.compile(r"\s+|[^\s\w]|\w+")


@dataclass(frozen=True, slots=True)
class Flips:
    """The flips of one task."""

    count: FlipCount
    shown: tuple[Flip, ...]


@dataclass(frozen=True, slots=True)
class _Chosen:
    pair: Pair
    direction: Direction


def find_flips(
    row: TaskComparison,
    base: TaskItems,
    candidate: TaskItems,
    pairs: Sequence[Pair],
    settings: Settings,
    most: int,
) -> Flips | None:
    """Return a task's flips, at most ``most`` each way; None for graded scores."""
    columns = base.column(row.metric), candidate.column(row.metric)
    if row.b is None or columns[0] is None or columns[1] is None:
        return None
    right = 1.0 if row.higher_is_better else 0.0
    gained: list[Pair] = []
    lost: list[Pair] = []
    for pair in pairs:
        one, other = pair.base.values[columns[0]], pair.candidate.values[columns[1]]
        if one is None or other is None or (one == right) == (other == right):
            continue
        (lost if one == right else gained).append(pair)
    drawn = random.Random(f"{settings.seed}:{row.task}")
    chosen = [
        *(_Chosen(pair, "lost") for pair in _some(lost, most, drawn)),
        *(_Chosen(pair, "gained") for pair in _some(gained, most, drawn)),
    ]
    shown = _with_texts(row.task, base, candidate, chosen)
    return Flips(FlipCount(row.task, len(gained), len(lost), len(shown)), shown)


def _some(pairs: list[Pair], most: int, drawn: random.Random) -> list[Pair]:
    if len(pairs) <= most:
        return pairs
    return sorted(drawn.sample(pairs, most), key=lambda pair: pair.base.doc_id)


def _with_texts(
    task: str, base: TaskItems, candidate: TaskItems, chosen: Sequence[_Chosen]
) -> tuple[Flip, ...]:
    of_base = read_texts(base, [one.pair.base for one in chosen])
    of_candidate = read_texts(candidate, [one.pair.candidate for one in chosen])
    found = []
    for one in chosen:
        left = of_base.get(one.pair.base.doc_id)
        right = of_candidate.get(one.pair.candidate.doc_id)
        if left is None or right is None:
            continue
        found.append(
            Flip(
                task=task,
                item=str(one.pair.base.doc_id),
                direction=one.direction,
                question=left.question,
                target=left.target,
                base_answer=left.answer,
                candidate_answer=right.answer,
                base_extracted=left.extracted,
                candidate_extracted=right.extracted,
                diff=word_diff(left.answer, right.answer),
            )
        )
    return tuple(found)


def word_diff(base: str, candidate: str) -> tuple[DiffPart, ...]:
    """Return both answers word by word; empty when they are too long or the same."""
    left, right = _WORD.findall(base), _WORD.findall(candidate)
    if base == candidate or max(len(left), len(right)) > _DIFF_WORDS or _runs(left, right):
        return ()
    parts: list[DiffPart] = []
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind == "equal":
            parts.append(_part("same", left[i:j]))
            continue
        if j > i:
            parts.append(_part("base", left[i:j]))
        if m > k:
            parts.append(_part("candidate", right[k:m]))
    return tuple(parts)


def _runs(left: Sequence[str], right: Sequence[str]) -> bool:
    words = Counter(word for word in (*left, *right) if not word.isspace())
    return any(count > _MOST_OFTEN for _, count in words.most_common(1))


def _part(part: Part, words: Sequence[str]) -> DiffPart:
    return DiffPart(part, "".join(words))
