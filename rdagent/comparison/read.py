"""Read one model's results and samples: everything that is compared, and what is damaged.

``operands`` found the files; ``guard`` and ``pairing`` hold two of what comes out of here
against each other.  The samples' words stay on disk.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdagent.comparison import about
from rdagent.comparison.items import TaskSamples, read_items
from rdagent.comparison.known_groups import with_known_groups
from rdagent.comparison.lines import parse_lenient
from rdagent.comparison.report import FailureRates
from rdagent.comparison.search import STAMP, stamp_of
from rdagent.comparison.sides import Side, TaskItems
from rdagent.comparison.sources import Source
from rdagent.errors import ResultError
from rdagent.evaluation.metrics import NO_FILTER
from rdagent.evaluation.primary import primary_scores
from rdagent.evaluation.results import MetricValue, TaskResult, parse_results
from rdagent.files import untrusted
from rdagent.files.printable import one_line
from rdagent.records.results import samples_name

#: Means that are summed in another order differ in their last digits.
_TOLERANCE = 1e-6
#: How lm_eval puts the values of single documents together, where that is a mean.
_MEANS = frozenset({"mean", "nanmean"})
#: Metrics that are worked out over all documents at once, where no settings say so.
_OF_A_CORPUS = frozenset(
    {
        "bits_per_byte",
        "bleu",
        "brier_score",
        "byte_perplexity",
        "chrf",
        "f1",
        "likelihood",
        "matthews_correlation",
        "mcc",
        "perplexity",
        "ter",
        "weighted_perplexity",
        "word_perplexity",
    }
)


def read_side(source: Source) -> Side:
    """Read what ``source`` names; raises ResultError when the results are none.

    Samples that are missing, cut or contradictory are named in ``damage``; the rest of
    them is used.
    """
    content = untrusted.read_bytes(source.results)
    document = parse_lenient(content, source.results.name)
    results = with_known_groups(parse_results(document), document)
    files = {source.results.name: hashlib.sha256(content).hexdigest()}
    said = about.read_said(source)
    files.update(said.files)
    items: dict[str, Mapping[str, TaskItems]] = {}
    rates: dict[str, FailureRates] = {}
    damage: dict[str, tuple[str, ...]] = {}
    for name, task in results.tasks.items():
        path = find_samples(source, name)
        samples = _read_samples(source, document, name, path)
        items[name] = samples.items
        if path is not None and samples.sha256:
            files[path.name] = samples.sha256
        primary = primary_scores(results, [name]).scores.get(name)
        filter_name = (primary.filter if primary else None) or NO_FILTER
        rates[name] = said.rates(name, filter_name, _rates_of(samples, filter_name))
        found = (*samples.damage, *_doubts(document, task, samples.items))
        if path is not None and not samples.items and not found:
            found = ("the samples are empty",)
        if found:
            damage[name] = found
    return Side(
        kind=source.kind,
        info=about.side_info(source, document, results, said, files),
        results=results,
        document=document,
        items=items,
        rates=rates,
        contaminated=said.contaminated,
        damage=damage,
    )


def find_samples(source: Source, task: str) -> Path | None:
    """Return the task's samples file that was written with the results; None when there is none."""
    folder = source.samples_folder
    if folder is None:
        return None
    stamp = stamp_of(source.results.name)
    names = [f"samples_{task}_{stamp}.jsonl"] if stamp else []
    names += [samples_name(task), f"samples_{task}.jsonl"]
    for name in names:
        if "/" not in name and (folder / name).is_file():
            return folder / name
    return None if stamp else _only_stamped(folder, task)


def _only_stamped(folder: Path, task: str) -> Path | None:
    """Return the samples of a task beside results without a time.

    Several times decide nothing, and nor do several results: samples are of one of them.
    """
    if sum(1 for path in folder.glob("*.json") if _holds_results(path)) > 1:
        return None
    pattern = re.compile(rf"samples_{re.escape(task)}_{STAMP}\.jsonl")
    found = [path for path in folder.iterdir() if pattern.fullmatch(path.name)]
    return found[0] if len(found) == 1 else None


def _holds_results(path: Path) -> bool:
    """Tell whether a file looks like a model's scores."""
    try:
        document = untrusted.read_json(path)
    except ResultError:
        return False
    return isinstance(document, dict) and isinstance(document.get("results"), dict)


def _read_samples(
    source: Source, document: Mapping[str, Any], task: str, path: Path | None
) -> TaskSamples:
    if path is None:
        why = "only scores were given" if source.samples_folder is None else "there are no samples"
        return TaskSamples({}, {}, (why,), "")
    try:
        return read_items(task, path, repeats_of(document, task))
    except ResultError as error:
        return TaskSamples({}, {}, (f"the samples cannot be read: {error.message}",), "")


def repeats_of(document: Mapping[str, Any], task: str) -> int:
    """Return how many answers a task's settings ask for each document."""
    config = config_of(document, task)
    value = untrusted.finite_number(config.get("repeats"))
    return int(value) if value is not None and 1 <= value <= 100_000 else 1


def config_of(document: Mapping[str, Any], task: str) -> Mapping[str, Any]:
    """Return a task's settings as lm_eval wrote them; empty where the results have none."""
    configs = document.get("configs")
    found = configs.get(task) if isinstance(configs, dict) else None
    return found if isinstance(found, dict) else {}


def _rates_of(samples: TaskSamples, filter_name: str) -> FailureRates:
    found = samples.rates.get(filter_name)
    return found or next(iter(samples.rates.values()), FailureRates())


def _doubts(
    document: Mapping[str, Any], task: TaskResult, items: Mapping[str, TaskItems]
) -> list[str]:
    """Return what speaks against the items being all of those that the scores stand on."""
    reported = {metric.filter for metric in task.metrics if metric.value is not None}
    found = [
        f"there are no items after filter {one_line(name, 60)}"
        for name in sorted(reported - items.keys())
        if items
    ]
    for name, kept in items.items():
        count = len(kept.items)
        if task.n_effective is not None and count != task.n_effective:
            found.append(
                f"{count} of {task.n_effective} items are there after filter {one_line(name, 60)}"
            )
            continue
        for metric in task.metrics:
            doubt = _doubt(document, task.name, metric, kept) if metric.filter == name else None
            found.extend([doubt] if doubt else [])
    return list(dict.fromkeys(found))


def _doubt(
    document: Mapping[str, Any], task: str, metric: MetricValue, items: TaskItems
) -> str | None:
    column = items.column(metric.metric)
    if metric.value is None or column is None or not items.items:
        return None
    if any(item.values[column] is None for item in items.items):
        return None
    if mean_matches(items, metric.metric, metric.value):
        return None
    if not is_mean(document, task, metric.metric):
        return None
    return (
        f"the items' {one_line(metric.metric, 60)} has mean {_mean(items, column):.6g}, reported"
        f" is {metric.value:.6g}: samples are cut, or it is no mean over documents"
    )


def is_mean(document: Mapping[str, Any], task: str, metric: str) -> bool:
    """Tell whether a metric is a mean over documents, as far as the settings or its name say."""
    listed = config_of(document, task).get("metric_list")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and entry.get("metric") == metric and "aggregation" in entry:
            return entry["aggregation"] in _MEANS
    return metric not in _OF_A_CORPUS


def mean_matches(items: TaskItems, metric: str, reported: float | None) -> bool:
    """Tell whether the mean over the items gives the reported score, but for its last digits."""
    column = items.column(metric)
    if column is None or reported is None or not items.items:
        return False
    if any(item.values[column] is None for item in items.items):
        return False
    mean = _mean(items, column)
    return math.isclose(mean, reported, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _mean(items: TaskItems, column: int) -> float:
    numbers = [value for item in items.items if (value := item.values[column]) is not None]
    return math.fsum(numbers) / len(numbers)
