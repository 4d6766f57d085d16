"""Make the fingerprint of the rows that are trained on: hashes, nothing that can be read.

``preflight`` hands the rows over as LLaMA-Factory aligned them; ``run`` writes the
record beside the adapter, and ``inside/evaluate/overlap`` holds documents against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from rdagent.records.grams import GRAM, gram_hashes, text_hash, tokens_of
from rdagent.records.trained_on import HASHES_LIMIT, Sampled, TrainedOn

#: Beyond either the rows that follow are not looked at, and the record says so.  So many
#: tokens take some minutes; whoever trains on them waits for days.
ROWS_LIMIT = 1_000_000
TOKENS_LIMIT = 1 << 27
#: A gram of more different questions than this is an instruction or a context that many
#: questions share: it tells nothing of any one of them, and is left out.
SHARED = 16
_PROMPT, _RESPONSE, _SYSTEM = "_prompt", "_response", "_system"
_ANSWERS = ("assistant", "function")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question of a row, the system's message before it, and the answers to learn."""

    system: str
    question: str
    answers: tuple[str, ...]


def exchanges(row: Mapping[str, Any]) -> Iterator[Exchange]:
    """Yield the questions and answers of an aligned row, none for a row of another kind."""
    system = str(row.get(_SYSTEM) or "")
    question: str | None = None
    for message in row.get(_PROMPT) or ():
        said = str(message["content"])
        if message["role"] not in _ANSWERS:
            question = said if question is None else f"{question}\n{said}"
        elif question is not None:
            yield Exchange(system, question, (said,))
            system, question = "", None
    answers = tuple(str(each["content"]) for each in row.get(_RESPONSE) or () if each["content"])
    if question is not None:
        yield Exchange(system, question, answers)


@dataclass(slots=True)
class Tally:
    """Hashes and how often each came; of too many, every second one is let go."""

    limit: int = HASHES_LIMIT
    bits: int = 0
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, hashes: Iterable[int], *, again: bool = False) -> None:
        """Keep hashes and count them; those that come ``again`` are not counted once more."""
        mask, counts, more = (1 << self.bits) - 1, self.counts, 0 if again else 1
        for number in hashes:
            if not number & mask:
                counts[number] = counts.get(number, 1 - more) + more
        while len(self.counts) > self.limit:
            self._halve()

    def _halve(self) -> None:
        self.bits += 1
        mask = (1 << self.bits) - 1
        self.counts = {each: count for each, count in self.counts.items() if not each & mask}

    def at_most(self, times: float) -> Sampled:
        """Return the hashes that came no more often than that."""
        kept = sorted(each for each, count in self.counts.items() if count <= times)
        return Sampled(kept, self.bits)


@dataclass(slots=True)
class Fingerprint:
    """Takes in one row after the other."""

    limit: int = HASHES_LIMIT
    rows: int = 0
    #: Tokens that were hashed.
    tokens: int = 0
    _texts: Tally = field(init=False)
    _grams: Tally = field(init=False)
    #: How many questions stood after a system's message.
    _systems: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._texts, self._grams = Tally(self.limit), Tally(self.limit)

    def take(self, row: Mapping[str, Any]) -> None:
        """Take in a row as LLaMA-Factory aligned it."""
        self.rows += 1
        for exchange in exchanges(row):
            self._take(exchange)

    def _take(self, exchange: Exchange) -> None:
        system, question = _tokens(exchange.system), tokens_of(exchange.question)
        prompt = text_hash([*system, *question])
        # The same question with another answer is not one question more.
        again = prompt in self._texts.counts
        before = self._before(system, again=again)
        wholes = [[*question, *tokens_of(answer)] for answer in exchange.answers]
        # A question's grams are among those of question and answer.
        runs = [[*before, *whole] for whole in wholes or [question]]
        self.tokens += sum(map(len, runs))
        self._texts.add({prompt, text_hash(question), *map(text_hash, wholes)})
        self._grams.add({gram for run in runs for gram in gram_hashes(run)}, again=again)

    def _before(self, system: Sequence[str], *, again: bool) -> Sequence[str]:
        """Return what of a system's message is still to be hashed; most rows have the same."""
        name = text_hash(system)
        self._systems[name] += not again
        return system if self._systems[name] <= SHARED + 1 else system[1 - GRAM :]

    def result(self, *, complete: bool) -> TrainedOn:
        """Return what is known of the rows so far."""
        return TrainedOn(
            rows=self.rows,
            complete=complete,
            texts=self._texts.at_most(float("inf")),
            grams=self._grams.at_most(SHARED),
        )


@lru_cache(maxsize=256)
def _tokens(system: str) -> tuple[str, ...]:
    return tuple(tokens_of(system))


def fingerprint(rows: Iterable[Mapping[str, Any]]) -> TrainedOn | None:
    """Return the fingerprint of aligned rows, of the first ones where they are too many.

    Returns None where the rows hold no text: data that were tokenized before are numbers.
    """
    made, complete = Fingerprint(), True
    for row in rows:
        if made.rows >= ROWS_LIMIT or made.tokens >= TOKENS_LIMIT:
            complete = False
            break
        made.take(row)
    found = made.result(complete=complete)
    return found if found.texts.hashes else None
