"""What of a document is its own, and what a task's documents have in common.

Instructions stand in every document, a passage or a home in some: that rows hold them
too says nothing of one document.  Found among the documents themselves, used by ``overlap``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rdagent.records.grams import GRAM, gram_hashes, text_hash, tokens_of

#: What more than this share of a task's documents hold is the task's own wording.
COMMON = 0.1
#: Grams that are kept to find what is shared; what further documents share is not seen.
GRAMS_LIMIT = 1 << 21
#: A question of fewer tokens names no document without its answer: 12 + 7 and 12 * 7 are alike.
SHORTEST = 3
_SEED = 0


class Asked:
    """One document; its tokens are made when they are looked at and not kept."""

    def __init__(self, question: str, whole: str) -> None:
        self._question, self._whole = question, whole

    def tokens(self) -> Tokens:
        """Return what is asked as tokens."""
        question, rest = tokens_of(self._question), self._whole[len(self._question) :]
        if self._whole.startswith(self._question) and (not rest or rest[0].isspace()):
            return Tokens(question, [*question, *tokens_of(rest)])
        return Tokens(question, tokens_of(self._whole))


@dataclass(frozen=True)
class Tokens:
    """One document as tokens."""

    question: Sequence[str]
    #: The question, and the answer that is expected.
    whole: Sequence[str]

    @cached_property
    def name(self) -> int:
        """The hash of the question."""
        return text_hash(self.question)

    @cached_property
    def grams(self) -> Sequence[int]:
        """The grams of the question, of a short one those of question and answer.

        An answer is often long and of the training's own making: the grams of a leaked
        question would drown among its.
        """
        return gram_hashes(self.question if len(self.question) >= GRAM else self.whole)


@dataclass(frozen=True, slots=True)
class Wording:
    """What the documents of a task share."""

    #: Questions that are so frequent that they name no document.
    questions: Collection[int]
    #: Grams of the task's wording; and these with whatever else different questions share.
    common: Collection[int]
    shared: Collection[int]
    #: Tokens that every question begins and ends with.
    before: int
    after: int

    def names(self, document: Tokens) -> Iterator[int]:
        """Yield the hashes under which a row would hold the document.

        The question, its rest without the words that frame all of them, and the question
        with its answer.
        """
        if document.name not in self.questions:
            core = document.question[self.before : len(document.question) - self.after]
            yield from (text_hash(p) for p in (document.question, core) if len(p) >= SHORTEST)
        if len(document.whole) > len(document.question):
            yield text_hash(document.whole)


def wording_of(asked: Sequence[Asked]) -> Wording:
    """Find what documents share; the same ones lead to the same."""
    order = list(range(len(asked)))
    random.Random(_SEED).shuffle(order)
    questions: Counter[int] = Counter()
    grams: Counter[int] = Counter()
    frame = _Frame()
    looked_at = 0
    for place in order:
        document = asked[place].tokens()
        questions[document.name] += 1
        frame.add(document.question)
        # A question that stands twice shares nothing with a different one.
        if questions[document.name] == 1 and len(grams) < GRAMS_LIMIT:
            grams.update(set(document.grams))
            looked_at += 1
    return Wording(
        questions=_more_than(max(1.0, COMMON * len(asked)), questions),
        common=_more_than(max(1.0, COMMON * looked_at), grams),
        shared=_more_than(1, grams),
        before=frame.before,
        after=frame.after,
    )


def _more_than(most: float, counts: Counter[int]) -> frozenset[int]:
    return frozenset(number for number, count in counts.items() if count > most)


class _Frame:
    """The tokens that all questions begin and end with, as far as they were seen."""

    def __init__(self) -> None:
        self._first: Sequence[str] | None = None
        self._before = self._after = self._shortest = 0

    def add(self, question: Sequence[str]) -> None:
        """Look at one question more."""
        if self._first is None:
            self._first, self._shortest = question, len(question)
            self._before = self._after = len(question)
            return
        self._shortest = min(self._shortest, len(question))
        self._before = _alike(self._first[: self._before], question)
        self._after = _alike(self._first[::-1][: self._after], question[::-1])

    @property
    def _is_usable(self) -> bool:
        """Whether something is left between the two."""
        return self._before + self._after < self._shortest

    @property
    def before(self) -> int:
        """How many tokens all begin with."""
        return self._before if self._is_usable else 0

    @property
    def after(self) -> int:
        """How many tokens all end with."""
        return self._after if self._is_usable else 0


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def apart_from(others: Collection[int], grams: Sequence[int]) -> list[int]:
    """Return the grams of a text that share no token with one of the others."""
    blocked = bytearray(len(grams))
    for place, gram in enumerate(grams):
        if gram in others:
            first, last = max(0, place - GRAM + 1), min(len(grams), place + GRAM)
            blocked[first:last] = b"\1" * (last - first)
    return [gram for gram, is_blocked in zip(grams, blocked, strict=True) if not is_blocked]
