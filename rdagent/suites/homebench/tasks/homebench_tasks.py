"""Code of HomeBench's tasks; runs inside the evaluation image.

Records with their prompts come from the file beside this one.  Each is scored by the
suite's strict scorer; what is summed over records is handed on as tuples.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from rdagent.suites.homebench.scoring.operations import ERROR_INPUT, read_gold, read_strict
from rdagent.suites.homebench.scoring.score import Counts, add, count

RECORDS = Path(__file__).parent / "records.jsonl"
#: The valid single requests: refusing one of them is refusing too much.
ACTING = "VS"


def load(**_: Any) -> dict[str, Dataset]:
    """Return the records, each with its prompt."""
    with RECORDS.open(encoding="utf-8") as lines:
        return {"test": Dataset.from_list([json.loads(line) for line in lines])}


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """Score one answer; every record leaves every metric."""
    reading, gold = read_strict(results[0]), read_gold(doc["output"])
    counts = count(reading.operations, gold)
    sums = (counts.tp, counts.fp, counts.fn, counts.em)
    refused = ERROR_INPUT in reading.operations
    return {
        "em": float(counts.em),
        "em_macro": (doc["category"], float(counts.em)),
        "precision": sums,
        "recall": sums,
        "f1": sums,
        "parse_rate": float(reading.parsed),
        "over_refusal": (float(refused), 1.0) if doc["category"] == ACTING else (0.0, 0.0),
    }


def mean_of_categories(items: Sequence[tuple[str, float]]) -> float:
    """Return the mean over the categories that are there, each counting once."""
    found = defaultdict(list)
    for category, value in items:
        found[category].append(value)
    means = [sum(values) / len(values) for values in found.values()]
    return sum(means) / len(means) if means else 0.0


def precision(items: Sequence[tuple[int, int, int, int]]) -> float:
    """Return the share of given operations that are right."""
    return add(Counts(*one) for one in items).precision


def recall(items: Sequence[tuple[int, int, int, int]]) -> float:
    """Return the share of wanted operations that were given."""
    return add(Counts(*one) for one in items).recall


def f1(items: Sequence[tuple[int, int, int, int]]) -> float:
    """Return the harmonic mean of both."""
    return add(Counts(*one) for one in items).f1


def share(items: Sequence[tuple[float, float]]) -> float:
    """Return a sum over a sum."""
    whole = sum(weight for _, weight in items)
    return sum(part for part, _ in items) / whole if whole else 0.0
