"""Counts per record, and what they add up to.

Operations are compared as texts and as multisets: order never matters, repeats do.  Precision,
recall and F1 are micro: of the sums over all operations, 0 where there is nothing to divide by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rdagent.suites.homebench.scoring.categories import ACTING, ALL, CATEGORIES, REFUSING
from rdagent.suites.homebench.scoring.operations import read_gold, read_strict


@dataclass(frozen=True, slots=True)
class Counts:
    """One record: operations found, too many and missed, and whether all is as it should be."""

    tp: int
    fp: int
    fn: int
    em: int


def score(prediction: str | None, gold: str) -> Counts:
    """Score an answer strictly."""
    return count(read_strict(prediction).operations, read_gold(gold))


def count(predicted: Sequence[str], gold: Sequence[str]) -> Counts:
    """Hold operations against operations."""
    wanted, given = Counter(gold), Counter(predicted)
    tp = (wanted & given).total()
    return Counts(tp, len(predicted) - tp, len(gold) - tp, int(wanted == given))


@dataclass(frozen=True, slots=True)
class Total:
    """What the counts of ``n`` records add up to."""

    n: int = 0
    hits: int = 0
    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def em(self) -> float:
        """The share of records with exactly the right operations."""
        return _share(self.hits, self.n)

    @property
    def precision(self) -> float:
        """The share of the given operations that were asked for."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """The share of the operations asked for that were given."""
        return _share(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def to_json(self) -> dict[str, float]:
        """Return the shares as fractions, beside the number of records."""
        return {
            "n": self.n,
            "em": self.em,
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
        }


def add(counts: Iterable[Counts]) -> Total:
    """Add up."""
    n = hits = tp = fp = fn = 0
    for each in counts:
        n, hits = n + 1, hits + each.em
        tp, fp, fn = tp + each.tp, fp + each.fp, fn + each.fn
    return Total(n, hits, tp, fp, fn)


def join(totals: Iterable[Total]) -> Total:
    """Add up what has been added up."""
    parts = list(totals)
    return Total(
        sum(part.n for part in parts),
        sum(part.hits for part in parts),
        sum(part.tp for part in parts),
        sum(part.fp for part in parts),
        sum(part.fn for part in parts),
    )


def by_category(scored: Iterable[tuple[str, Counts]]) -> dict[str, Total]:
    """Return the total of ``ALL`` and of each category; one without records is all zeros."""
    counts: dict[str, list[Counts]] = {category: [] for category in CATEGORIES}
    for category, each in scored:
        counts[category].append(each)
    totals = {category: add(each) for category, each in counts.items()}
    return {ALL: join(totals.values()), **totals}


@dataclass(frozen=True, slots=True)
class Macro:
    """The mean over the categories that have records, each of the same weight."""

    categories: tuple[str, ...]
    em: float
    f1: float


def macro(totals: Mapping[str, Total]) -> Macro:
    """Return the mean over categories: what IS, two records in five, cannot carry alone."""
    present = tuple(category for category in CATEGORIES if totals[category].n)
    return Macro(
        present,
        _share(sum(totals[category].em for category in present), len(present)),
        _share(sum(totals[category].f1 for category in present), len(present)),
    )


@dataclass(frozen=True, slots=True)
class Balance:
    """Acts when it can, refuses when it must; ``em`` is the harmonic mean of both."""

    acting: Total
    refusing: Total
    em: float | None


def balance(totals: Mapping[str, Total]) -> Balance:
    """Set exact matches of VS and VM against those of IS and IM; None where one has no records."""
    acting = join(totals[category] for category in ACTING)
    refusing = join(totals[category] for category in REFUSING)
    if not (acting.n and refusing.n):
        return Balance(acting, refusing, None)
    return Balance(acting, refusing, _share(2 * acting.em * refusing.em, acting.em + refusing.em))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
