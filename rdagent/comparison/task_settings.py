"""What two evaluations of one task were run with: its version, prompts, decoding, scoring.

lm_eval writes a task's whole settings into its results.  Those that every document's hash
already tells of weigh less when there are hashes.  Used by ``guard``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rdagent.comparison.lines import open_lines, row_at
from rdagent.comparison.read import config_of, repeats_of
from rdagent.comparison.report import Finding, Level
from rdagent.comparison.rows import settings_of
from rdagent.comparison.setting import shown
from rdagent.comparison.sides import Side, TaskItems
from rdagent.errors import ResultError
from rdagent.evaluation.results import TaskResult

#: Where a function lay in memory when lm_eval wrote it down.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_DEEPEST = 50
_DATASET = ("dataset_path", "dataset_name", "test_split", "validation_split")
_DATASET_CODE = ("dataset_kwargs", "process_docs", "custom_dataset")
_PROMPT = (
    "description", "doc_to_text", "doc_to_target", "doc_to_choice", "fewshot_config",
    "fewshot_delimiter", "fewshot_split", "gen_prefix", "target_delimiter", "use_prompt",
)  # fmt: skip
_SCORING = ("metric_list", "output_type", "process_results")
#: Of no effect when nothing is drawn.
_OF_DRAWING = frozenset({"temperature", "top_p", "top_k", "min_p", "typical_p", "seed"})


def task_differences(base: Side, candidate: Side, task: str) -> Iterator[Finding]:
    """Yield what differs in how a task was evaluated; both sides have it."""
    one, other = base.results.tasks[task], candidate.results.tasks[task]
    items = _some_items(base, task), _some_items(candidate, task)
    configs = config_of(base.document, task), config_of(candidate.document, task)
    hashed = documents_checkable(*items)
    yield from _version(one, other)
    yield from _directions(one, other)
    yield from _dataset(task, *configs, hashed=hashed)
    yield from _size(one, other, hashed=hashed)
    yield from _fewshot(task, _n_shot(one, configs[0]), _n_shot(other, configs[1]))
    yield from _prompts(task, *configs, hashed=prompts_checkable(*items))
    yield from _decoding(task, configs, items)
    yield from _filters(task, configs, one, other)
    yield from _scoring(task, *configs)
    repeats = repeats_of(base.document, task), repeats_of(candidate.document, task)
    if repeats[0] != repeats[1] and all(configs):
        says = "not equally many answers are drawn for each document"
        yield Finding("WARN", "repeats", str(repeats[0]), str(repeats[1]), task, says)
    yield from _damage(base, candidate, task)


def _some_items(side: Side, task: str) -> TaskItems | None:
    return next((kept for kept in side.items.get(task, {}).values() if kept.items), None)


def documents_checkable(base: TaskItems | None, candidate: TaskItems | None) -> bool:
    """Tell whether every item of both says by its hash which document it is."""
    return all(
        kept is not None and all(item.doc_hash for item in kept.items) for kept in (base, candidate)
    )


def prompts_checkable(base: TaskItems | None, candidate: TaskItems | None) -> bool:
    """Tell whether every item of both says by its hash what was asked."""
    return all(
        kept is not None and all(item.prompt_hash for item in kept.items)
        for kept in (base, candidate)
    )


def _version(one: TaskResult, other: TaskResult) -> Iterator[Finding]:
    versions = _version_said(one.version), _version_said(other.version)
    if versions[0] == versions[1]:
        return
    if None in versions:
        says = "the task's version is known on one side only"
        yield Finding("INFO", "version", one.version, other.version, one.name, says)
    else:
        says = "another version of the task asks or scores in another way"
        yield Finding("FATAL", "version", one.version, other.version, one.name, says)


def _version_said(version: str | None) -> str | None:
    """Return a version so that 3 and 3.0 are one; lm_eval's word for none is none."""
    if version is None or version.lower() in ("yaml", "none"):
        return None
    try:
        return f"{float(version):g}"
    except ValueError:
        return version


def _directions(one: TaskResult, other: TaskResult) -> Iterator[Finding]:
    told = {metric.metric: metric.higher_is_better for metric in other.metrics}
    for metric in {metric.metric: metric for metric in one.metrics}.values():
        directions = metric.higher_is_better, told.get(metric.metric)
        if None not in directions and directions[0] != directions[1]:
            words = [f"{'more' if direction else 'less'} is better" for direction in directions]
            says = f"{metric.metric} is read in opposite directions"
            yield Finding("FATAL", "higher_is_better", words[0], words[1], one.name, says)


def _dataset(
    task: str, one: Mapping[str, Any], other: Mapping[str, Any], *, hashed: bool
) -> Iterator[Finding]:
    for name in (*_DATASET, *_DATASET_CODE):
        values = _value(one, name), _value(other, name)
        if None in values or values[0] == values[1]:
            continue
        level: Level = "INFO" if hashed else "FATAL" if name in _DATASET else "WARN"
        says = (
            "the documents themselves were held against each other"
            if hashed
            else "other documents, as far as can be told without their hashes"
        )
        yield Finding(level, name, *values, task=task, says=says)


def _size(one: TaskResult, other: TaskResult, *, hashed: bool) -> Iterator[Finding]:
    """Compare how many documents there are, asked or not: another number is another edition."""
    if None not in (one.n_original, other.n_original) and one.n_original != other.n_original:
        counts = f"{one.n_original} documents", f"{other.n_original} documents"
        says = "the datasets are not equally large"
        yield Finding("INFO" if hashed else "WARN", "n-samples", *counts, one.name, says)


def _n_shot(result: TaskResult, config: Mapping[str, Any]) -> str | None:
    told = result.n_shot if result.n_shot is not None else config.get("num_fewshot")
    return None if told is None else shown(told)


def _fewshot(task: str, one: str | None, other: str | None) -> Iterator[Finding]:
    if one is not None and other is not None and one != other:
        says = "prompts show another number of examples"
        yield Finding("WARN", "num_fewshot", one, other, task, says)


def _prompts(
    task: str, one: Mapping[str, Any], other: Mapping[str, Any], *, hashed: bool
) -> Iterator[Finding]:
    level: Level = "INFO" if hashed else "WARN"
    says = "the prompts themselves were held against each other" if hashed else "other prompts"
    for name in _PROMPT:
        values = _value(one, name), _value(other, name)
        if None not in values and values[0] != values[1]:
            yield Finding(level, name, *values, task=task, says=says)


def _value(config: Mapping[str, Any], name: str) -> str | None:
    """Return a setting's value; None where it is absent or null, so that it says nothing."""
    value = config.get(name)
    return None if value is None else shown(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """Return nested settings without null fields, which not every version writes, or addresses."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {k: _plain(v, depth + 1) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_plain(entry, depth + 1) for entry in value]
    return _ADDRESS.sub("", value) if isinstance(value, str) else value


def _decoding(
    task: str,
    configs: tuple[Mapping[str, Any], Mapping[str, Any]],
    items: tuple[TaskItems | None, TaskItems | None],
) -> Iterator[Finding]:
    """Compare how answers were generated: as the settings say, and as the samples were asked."""
    told = [_generation(config.get("generation_kwargs")) for config in configs]
    asked = [_generation(_asked(kept)) for kept in items]
    for one, other in (told, asked):
        if one is not None and other is not None and one != other:
            says = "answers are generated in another way"
            yield Finding("WARN", "generation_kwargs", one, other, task, says)
            return


def _asked(items: TaskItems | None) -> Mapping[str, Any] | None:
    """Return what the first sample's request says of generation."""
    if items is None:
        return None
    try:
        with open_lines(items.path) as stream:
            row = row_at(stream, items.items[0].offset)
    except ResultError:
        return None
    return settings_of(row) if row is not None else None


def _generation(told: Any) -> str | None:
    """Return decoding as one line; equal ways of decoding give equal lines."""
    if not isinstance(told, dict):
        return None
    found = {name: value for name, value in told.items() if value is not None}
    until = found.get("until")
    if isinstance(until, str | list):
        found["until"] = sorted(map(str, [until] if isinstance(until, str) else until))
    if not _is_drawn(found):
        found = {name: value for name, value in found.items() if name not in _OF_DRAWING}
        found["do_sample"] = False
    return shown(found)


def _is_drawn(told: Mapping[str, Any]) -> bool:
    wanted = told.get("do_sample")
    if wanted is not None:
        return bool(wanted)
    temperature = told.get("temperature")
    return isinstance(temperature, int | float) and temperature > 0


def _filters(
    task: str,
    configs: tuple[Mapping[str, Any], Mapping[str, Any]],
    one: TaskResult,
    other: TaskResult,
) -> Iterator[Finding]:
    says = "answers are read out of what was generated in another way"
    values = [_value(config, "filter_list") for config in configs]
    if None not in values and values[0] != values[1]:
        yield Finding("WARN", "filter_list", values[0], values[1], task, says)
        return
    names = [", ".join(sorted({m.filter for m in side.metrics})) for side in (one, other)]
    if all(names) and names[0] != names[1]:
        yield Finding("WARN", "filter_list", names[0], names[1], task, says)


def _scoring(task: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Finding]:
    for name in _SCORING:
        values = _value(one, name), _value(other, name)
        if None not in values and values[0] != values[1]:
            says = "answers are scored in another way"
            yield Finding("WARN", name, *values, task=task, says=says)


def _damage(base: Side, candidate: Side, task: str) -> Iterator[Finding]:
    told = [side.damage.get(task) for side in (base, candidate)]
    if any(told):
        texts = ["; ".join(damage) if damage else "whole" for damage in told]
        says = "some items may be missing from the comparison"
        yield Finding("WARN", "samples", texts[0], texts[1], task, says)
