"""Read lm_eval's ``results.json`` as what a stranger sent: typed, checked, nothing guessed.

Understands the files of lm_eval 0.4.9.1 and 0.4.13 and files with bare metric names.
``primary`` picks the score of each task from what is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.evaluation.metrics import NO_FILTER
from rdagent.files import untrusted
from rdagent.files.printable import one_line, printable

NAME_LIMIT = 300
ENTRIES_LIMIT = 50_000
METRICS_LIMIT = 1_000
#: Fields beside the metrics in a task's entry, in one version or the other.
_NOT_METRICS = frozenset(
    {"name", "alias", "sample_len", "samples", "sample_count", "task", "group", "version", " "}
)
_STDERR = "_stderr"


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One metric after one filter; ``value`` is None where the file holds no number."""

    metric: str
    filter: str
    value: float | None
    stderr: float | None
    higher_is_better: bool | None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task or group: its metrics and how many documents they stand on."""

    name: str
    alias: str
    version: str | None
    n_shot: int | None
    n_effective: int | None
    n_original: int | None
    metrics: tuple[MetricValue, ...]
    is_group: bool = False
    members: tuple[str, ...] = ()

    def find(self, metric: str, filter_name: str) -> MetricValue | None:
        """Return one metric after one filter."""
        for value in self.metrics:
            if (value.metric, value.filter) == (metric, filter_name):
                return value
        return None


@dataclass(frozen=True, slots=True)
class ResultsDocument:
    """A results file: tasks and groups apart, so that none is counted twice."""

    tasks: Mapping[str, TaskResult]
    groups: Mapping[str, TaskResult]
    lm_eval_version: str | None
    model: str | None
    limit: float | None
    warnings: tuple[str, ...]

    def leaves(self, name: str) -> tuple[str, ...]:
        """Return the tasks under a group, each once; a task stands for itself."""
        found: dict[str, None] = {}
        self._collect(name, found, set())
        return tuple(found)

    def _collect(self, name: str, found: dict[str, None], seen: set[str]) -> None:
        if name in seen:
            return
        seen.add(name)
        group = self.groups.get(name)
        if group is None:
            found[name] = None
            return
        for member in group.members:
            self._collect(member, found, seen)


def read_results(path: Path) -> ResultsDocument:
    """Read a results file; raises ResultError, and nothing else, when it is not one."""
    content = untrusted.read_bytes(path)
    try:
        # Files of lm_eval itself may hold NaN, which is not JSON: such a score is none.
        document = json.loads(content, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path.name} is not valid JSON: {one_line(str(error))}") from error
    return parse_results(document)


def parse_results(document: Any) -> ResultsDocument:
    """Parse a results document; raises ResultError, and nothing else, when it is not one."""
    return _Parser(document).parse()


class _Parser:
    """Walks over one document and collects warnings on the way."""

    def __init__(self, document: Any) -> None:
        if not isinstance(document, dict):
            raise ResultError("the results are not a JSON object")
        self._document = document
        self._warnings: list[str] = []

    def parse(self) -> ResultsDocument:
        entries = self._entries()
        members = self._members()
        groups = {name for name, children in members.items() if children}
        groups |= self._mapping("groups").keys() & entries.keys()
        config = self._mapping("config")
        parsed = {
            name: self._entry(name, entry, members.get(name, ()), is_group=name in groups)
            for name, entry in entries.items()
        }
        return ResultsDocument(
            tasks={name: item for name, item in parsed.items() if not item.is_group},
            groups={name: item for name, item in parsed.items() if item.is_group},
            lm_eval_version=_text_or_none(self._document.get("lm_eval_version")),
            model=_text_or_none(self._document.get("model_name") or config.get("model")),
            limit=untrusted.finite_number(config.get("limit")),
            warnings=tuple(self._warnings),
        )

    def _entries(self) -> dict[str, dict[Any, Any]]:
        found = self._document.get("results")
        if not isinstance(found, dict) or not found:
            raise ResultError("the results hold no entry 'results' with at least one task")
        if len(found) > ENTRIES_LIMIT:
            raise ResultError(f"the results hold {len(found)} entries; {ENTRIES_LIMIT} are read")
        for name, entry in found.items():
            _check_name(name)
            if not isinstance(entry, dict):
                raise ResultError(f"the results of {name!r} are not a JSON object")
            if len(entry) > METRICS_LIMIT:
                raise ResultError(f"the results of {name!r} have {len(entry)} fields")
        return found

    def _mapping(self, key: str) -> dict[Any, Any]:
        value = self._document.get(key)
        if value is not None and not isinstance(value, dict):
            raise ResultError(f"field {key!r} of the results is not a JSON object")
        return value or {}

    def _members(self) -> dict[str, tuple[str, ...]]:
        members: dict[str, tuple[str, ...]] = {}
        for name, children in self._mapping("group_subtasks").items():
            if not isinstance(children, list) or len(children) > ENTRIES_LIMIT:
                raise ResultError("a group's members are not a list")
            for child in (name, *children):
                _check_name(child)
            members[name] = tuple(dict.fromkeys(children))
        return members

    def _entry(
        self, name: str, entry: Mapping[Any, Any], members: tuple[str, ...], *, is_group: bool
    ) -> TaskResult:
        counts = self._mapping("n-samples").get(name)
        counts = counts if isinstance(counts, dict) else {}
        effective = _count(counts.get("effective"))
        if effective is None:
            effective = _count(entry.get("sample_len", entry.get("samples")))
        return TaskResult(
            name=name,
            alias=printable(str(_text_or_none(entry.get("alias")) or name)),
            version=_version(self._mapping("versions").get(name)),
            n_shot=_count(self._mapping("n-shot").get(name)),
            n_effective=effective,
            n_original=_count(counts.get("original")),
            metrics=tuple(self._metrics(name, entry)),
            is_group=is_group,
            members=members,
        )

    def _metrics(self, task: str, entry: Mapping[Any, Any]) -> list[MetricValue]:
        directions = self._mapping("higher_is_better").get(task)
        directions = directions if isinstance(directions, dict) else {}
        names = [key for key in entry if key not in _NOT_METRICS]
        split = {key: split_key(_check_name(key)) for key in names}
        plain = {pair for pair in split.values() if not pair[0].endswith(_STDERR)}
        found = []
        for key, (metric, filter_name) in split.items():
            base = metric.removesuffix(_STDERR)
            if base != metric and (base, filter_name) in plain:
                continue
            if not isinstance(entry[key], int | float | str | None):
                self._warn(f"{task}: {key} is not a number and was left out")
                continue
            direction = directions.get(metric)
            found.append(
                MetricValue(
                    metric=metric,
                    filter=filter_name,
                    value=self._value(task, key, entry[key]),
                    stderr=_stderr(entry, metric, filter_name),
                    higher_is_better=direction if isinstance(direction, bool) else None,
                )
            )
        return found

    def _value(self, task: str, key: str, value: Any) -> float | None:
        number = untrusted.finite_number(value)
        if number is None:
            self._warn(f"{task}: {key} is not a number")
        return number

    def _warn(self, text: str) -> None:
        self._warnings.append(one_line(text))


def split_key(key: str) -> tuple[str, str]:
    """Split ``metric,filter``; a bare name has the filter ``none``."""
    metric, comma, filter_name = key.rpartition(",")
    return (metric, filter_name) if comma else (filter_name, NO_FILTER)


def _stderr(entry: Mapping[Any, Any], metric: str, filter_name: str) -> float | None:
    value = untrusted.finite_number(entry.get(f"{metric}{_STDERR},{filter_name}"))
    if value is None and filter_name == NO_FILTER:
        value = untrusted.finite_number(entry.get(f"{metric}{_STDERR}"))
    return value if value is not None and value >= 0 else None


def _check_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LIMIT:
        raise ResultError(
            f"a name in the results is empty, too long or no text: {str(name)[:50]!r}"
        )
    if printable(name) != name or "\n" in name:
        raise ResultError(f"a name in the results holds control characters: {name[:50]!r}")
    return name


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _text_or_none(value: Any) -> str | None:
    return one_line(value, NAME_LIMIT) if isinstance(value, str) and value.strip() else None


def _version(value: Any) -> str | None:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        text = one_line(str(value), 50)
        return None if text in ("", "N/A") else text
    return None
