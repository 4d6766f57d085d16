"""How far a score may be off: bootstrap intervals over records.

Records with the same counts are alike to a score, so a draw of all records is a draw of how
many there are of each kind: a few hundred numbers where there are thousands of records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdagent.statistics.interval import Interval
from rdagent.suites.homebench.scoring.categories import ALL, CATEGORIES
from rdagent.suites.homebench.scoring.score import Counts

DRAWS = 1000
SEED = 1234
LEVEL = 0.95
#: The mean over the categories that have records, each drawn by itself.
MACRO = "macro"


@dataclass(frozen=True, slots=True)
class ScoreInterval:
    """Intervals of exact match and F1."""

    em: Interval
    f1: Interval


def score_intervals(
    counts: Mapping[str, Sequence[Counts]], *, draws: int = DRAWS, seed: int = SEED
) -> dict[str, ScoreInterval]:
    """Return the interval of each category with records, of all of them, and of their mean.

    ``counts`` are those of each category.  The same counts and seed give the same intervals.
    """
    import numpy as np

    present = [category for category in CATEGORIES if counts.get(category)]
    if not present:
        return {}
    generator = np.random.default_rng(seed)
    drawn = {each: _draw(counts[each], draws, generator) for each in present}
    every = [each for category in present for each in counts[category]]
    drawn[ALL] = _draw(every, draws, generator)
    drawn[MACRO] = np.mean([drawn[each] for each in present], axis=0)
    tail = 50 * (1 - LEVEL)
    found = {}
    for name in (ALL, *present, MACRO):
        (em_low, f1_low), (em_high, f1_high) = np.percentile(
            drawn[name], [tail, 100 - tail], axis=1
        )
        found[name] = ScoreInterval(
            Interval(float(em_low), float(em_high)), Interval(float(f1_low), float(f1_high))
        )
    return found


def _draw(counts: Sequence[Counts], draws: int, generator: Any) -> Any:
    """Return exact match and F1 of each draw, as two rows."""
    import numpy as np

    alike = Counter(counts)
    shares = np.array(list(alike.values()), dtype=float) / len(counts)
    values = np.array([(each.em, each.tp, each.fp, each.fn) for each in alike], dtype=float)
    hits, tp, fp, fn = (generator.multinomial(len(counts), shares, size=draws) @ values).T
    whole = 2 * tp + fp + fn
    f1 = np.divide(2 * tp, whole, out=np.zeros_like(whole), where=whole > 0)
    return np.array([hits / len(counts), f1])
