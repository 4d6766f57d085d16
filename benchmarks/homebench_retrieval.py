"""How well rooms are retrieved without a model, on a split of HomeBench.

``python benchmarks/homebench_retrieval.py [--data-dir dataset] [--split test] [--top-k 2]``
prints recall of the rooms that the gold acts in, how often all of them are there, and what
share of the home is shown, by category.  Nothing is asserted.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rdagent.suites.homebench.data.files import DEFAULT_FOLDER, SPLITS, read_data
from rdagent.suites.homebench.retrieval.measures import Measures, choose, measure
from rdagent.suites.homebench.retrieval.retrievers import WITHOUT_MODEL, make_retriever

COLUMNS = ("retriever", "category", "n", "recall", "full", "named", "context", "noise", "rooms")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--top-k", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = read_data(arguments.data_dir, (arguments.split,))
    print(("{:>10}" * len(COLUMNS)).format(*COLUMNS))
    for name in WITHOUT_MODEL:
        started = time.perf_counter()
        retriever = make_retriever(name, arguments.seed)
        choices = choose(data.splits[arguments.split], data.homes, retriever, arguments.top_k)
        seconds = time.perf_counter() - started
        for category, found in measure(choices).items():
            print("".join(f"{cell:>10}" for cell in (name, category, *cells(found))))
        print(f"{name}: {len(choices)} records in {seconds:.1f} s\n")


def cells(found: Measures) -> list[str]:
    """Return one row's numbers; shares as percent."""
    shares = (
        found.recall,
        found.full_recall,
        found.named_recall,
        found.context_share,
        found.noise,
    )
    shown = ["-" if share is None else f"{share:.2%}" for share in shares]
    return [str(found.n), *shown, "-" if found.rooms is None else f"{found.rooms:.2f}"]


if __name__ == "__main__":
    main()
