"""Documents of the tasks beside this file, and what the tasks do in Python."""

import json
import random
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, load_dataset

HERE = Path(__file__).parent


def rows(name: str) -> list[dict[str, Any]]:
    """Return the documents of one file."""
    with (HERE / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def questions(**_: Any) -> dict[str, Dataset]:
    """Return the questions, and others to be shown as examples."""
    return {name: Dataset.from_list(rows(name)) for name in ("test", "train")}


def texts(**_: Any) -> dict[str, Dataset]:
    """Return texts that are scored as a whole."""
    return {"test": Dataset.from_list(rows("texts"))}


def sums(first: int, count: int) -> dict[str, Dataset]:
    """Return so many questions, each with a number of its own."""
    numbers = range(first, first + count)
    found = [{"question": f"What is {n} and 1?", "answer": str(n + 1)} for n in numbers]
    return {"test": Dataset.from_list(found)}


def many(**_: Any) -> dict[str, Dataset]:
    """Return questions enough to stop before the last one."""
    return sums(0, 200)


def many_more(**_: Any) -> dict[str, Dataset]:
    """Return the larger part of a group."""
    return sums(1000, 150)


def many_few(**_: Any) -> dict[str, Dataset]:
    """Return the smaller part of a group."""
    return sums(2000, 10)


def graded(document: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Return a score between right and wrong."""
    return {"share": 0.5 if results[0].strip() == document["answer"] else 0.25}


def coin(document: dict[str, Any], results: Sequence[str]) -> dict[str, float]:
    """Return right or wrong by chance: another time it is scored otherwise."""
    return {"exact_match": float(random.random() < 0.5)}


def from_disk(**_: Any) -> Any:
    """Return the questions as the library of data sets keeps them: in files, with a cache."""
    files = {name: str(HERE / f"{name}.jsonl") for name in ("test", "train")}
    return load_dataset("json", data_files=files)


def shuffled(documents: Dataset) -> Dataset:
    """Return the documents with their choices in an order that is drawn, and where the first is."""

    def shuffle(document: dict[str, Any]) -> dict[str, Any]:
        choices = list(document["choices"])
        random.shuffle(choices)
        return {"drawn": choices, "place": choices.index(document["choices"][0])}

    return documents.map(shuffle)


def drawn_question(document: dict[str, Any]) -> str:
    """Return a prompt in which a number is drawn."""
    return f"{random.random():.3f} {document['question']}"


def half_a_letter(document: dict[str, Any]) -> str:
    """Return a prompt that no file and no tokenizer can hold."""
    return f"\ud83d {document['question']}"


def place_matches(document: dict[str, Any], results: Sequence[Any]) -> dict[str, float]:
    """Tell whether the choices that were asked are those of the document that is scored."""
    lengths = [len(choice) for choice in document["drawn"]]
    likelihoods = [likelihood for likelihood, _ in results]
    best = likelihoods.index(max(likelihoods))
    return {"best_is_first": float(best == document["place"]), "length": float(lengths[best])}


def drawn_score(document: dict[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Return scores that are drawn while they are computed, and one that is a pair."""
    said = results[0]
    return {
        "drawn": random.random() + float(torch.rand(())),
        "pair": (len(said), len(document["answer"]) + 1),
        "nothing": float("nan"),
    }


def share(pairs: Sequence[tuple[int, int]]) -> float:
    """Return one number for all pairs."""
    return sum(first for first, _ in pairs) / sum(second for _, second in pairs)


_CALLS = count()


def turning(document: dict[str, Any]) -> str:
    """Return, each time that all are asked for, every document's prompt for another one."""
    known = [row["question"] for row in rows("test")]
    turns = (next(_CALLS) - 1) // len(known)
    return known[(known.index(document["question"]) + turns) % len(known)]


def numbered(document: dict[str, Any]) -> str:
    """Return a prompt that is never the same again."""
    return f"{next(_CALLS)} {document['question']}"


def sometimes_nothing(document: dict[str, Any]) -> str:
    """Return a prompt; for one document an empty one, which no engine takes."""
    return "" if document["label"] == 1 else document["question"]
