"""Named sets of tasks: which ones, how many examples and items, which score counts.

A preset is a JSON document, one of those in ``presets/`` or a file of the user's.
``request`` puts it under what is asked; ``rdagent tasks presets`` lists those that ship.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from rdagent.errors import ResultError, UnknownTaskError, UsageError
from rdagent.evaluation.metrics import NO_FILTER
from rdagent.evaluation.tasks import resolve_tasks
from rdagent.files import untrusted
from rdagent.files.printable import printable
from rdagent.records.keys import digest_of
from rdagent.records.limits import Limit, read_limit

SCHEMA = "rdagent.preset/1"
FILE_LIMIT = 1 << 20
TASKS_LIMIT = 5_000
_SUFFIX = ".json"
_FIELDS = ("schema", "name", "description", "tasks", "limit", "source")
_TASK_FIELDS = ("task", "num_fewshot", "primary")
_PRIMARY_FIELDS = ("metric", "filter")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PresetTask:
    """A task, tag or group of a preset; None is what the task itself says."""

    task: str
    num_fewshot: int | None = None
    #: ``metric,filter`` as lm_eval writes it, the empty filter left out.
    primary: str | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """What a preset asks for; equal content has an equal digest, whatever it is called."""

    name: str
    tasks: tuple[PresetTask, ...]
    limit: Limit | None = None
    description: str = ""
    source: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks' names, as the preset gives them."""
        return tuple(one.task for one in self.tasks)

    @property
    def digest(self) -> str:
        """The digest of what is asked for; name, description and source are no part of it."""
        rows = [[one.task, one.num_fewshot, one.primary] for one in self.tasks]
        return digest_of([self.limit, rows])

    @property
    def said(self) -> str:
        """The preset on one line, as notes and reports say it."""
        limit = "no limit" if self.limit is None else f"limit {self.limit:g}"
        return f"preset {self.name} ({self.digest[:8]}): {len(self.tasks)} tasks, {limit}"

    def fewshot(self, include: Sequence[Path] = ()) -> dict[str, int]:
        """Return the number of examples of each task that the preset gives one for.

        A group's number goes to its tasks, unless one of them has a number of its own.
        """
        numbers = {one.task: one.num_fewshot for one in self.tasks if one.num_fewshot is not None}
        return _by_leaf(numbers, include)

    def primary(self, include: Sequence[Path] = ()) -> dict[str, str]:
        """Return the primary metric of each task and group that the preset names one for."""
        metrics = {one.task: one.primary for one in self.tasks if one.primary is not None}
        groups = {
            name: metrics[asked] for asked in metrics for name in _resolved(asked, include).names
        }
        return groups | _by_leaf(metrics, include)


@dataclass(frozen=True, slots=True)
class _Resolved:
    names: tuple[str, ...]
    leaves: tuple[str, ...]


def _by_leaf(values: Mapping[str, T], include: Sequence[Path]) -> dict[str, T]:
    """Give every task of a name the name's value; the name of fewest tasks goes first."""
    found = [(_resolved(name, include).leaves, value) for name, value in values.items()]
    by_leaf: dict[str, T] = {}
    for leaves, value in sorted(found, key=lambda item: len(item[0])):
        for leaf in leaves:
            by_leaf.setdefault(leaf, value)
    return by_leaf


def _resolved(name: str, include: Sequence[Path]) -> _Resolved:
    try:
        resolved = resolve_tasks([name], include)
    except UnknownTaskError:
        return _Resolved((name,), (name,))  # said where all that is asked for is resolved
    leaves = [entry.name for entries in resolved.parts.values() for entry in entries]
    return _Resolved(resolved.names, tuple(dict.fromkeys(leaves)))


def shipped() -> tuple[Preset, ...]:
    """Return the presets that come with the package, by name."""
    return tuple(_read_shipped(name) for name in _shipped_names())


def find_preset(asked: str) -> Preset:
    """Return the preset of that name, or the one in that file; raises UsageError."""
    if asked in _shipped_names():
        return _read_shipped(asked)
    if asked.endswith(_SUFFIX) or "/" in asked or Path(asked).is_file():
        return _read_file(Path(asked).expanduser())
    near = get_close_matches(asked, _shipped_names(), n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else "'rdagent tasks presets' lists them."
    raise UsageError(f"no preset is called {asked!r}", hint=f"{hint} A file's name ends in .json.")


def _shipped_names() -> list[str]:
    files = resources.files("rdagent.evaluation").joinpath("presets").iterdir()
    return sorted(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX))


def _read_shipped(name: str) -> Preset:
    folder = resources.files("rdagent.evaluation").joinpath("presets")
    return parse_preset(folder.joinpath(name + _SUFFIX).read_bytes(), f"the preset {name}")


def _read_file(path: Path) -> Preset:
    try:
        with path.open("rb") as stream:
            content = stream.read(FILE_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"the preset {path} cannot be read: {error.strerror}") from None
    if len(content) > FILE_LIMIT:
        raise UsageError(f"the preset {path} is over {FILE_LIMIT} bytes")
    return parse_preset(content, str(path))


def parse_preset(content: bytes | str, origin: str) -> Preset:
    """Parse a preset; raises UsageError that names ``origin`` and what is wrong in it."""
    try:
        document = untrusted.parse_json(content, origin)
    except ResultError as error:
        raise UsageError(error.message) from None
    return _Parser(origin).preset(document)


class _Parser:
    """Checks one document, field by field; a preset with a slip in it is none."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def preset(self, document: Any) -> Preset:
        fields = self._object(document, "it", _FIELDS)
        if fields.get("schema") != SCHEMA:
            self._wrong(f"its schema is {fields.get('schema')!r}", f"This version reads {SCHEMA}.")
        tasks = fields.get("tasks")
        if not isinstance(tasks, list) or not 0 < len(tasks) <= TASKS_LIMIT:
            self._wrong("'tasks' is no list of tasks")
        try:
            limit = read_limit(fields.get("limit"))
        except ValueError as error:
            self._wrong(f"'limit': {error}")
        return Preset(
            name=self._text(fields, "name", "it"),
            tasks=tuple(self._tasks(tasks)),
            limit=limit,
            description=self._text(fields, "description", "it", ""),
            source=self._text(fields, "source", "it", ""),
        )

    def _tasks(self, items: list[Any]) -> Iterator[PresetTask]:
        seen: set[str] = set()
        for number, item in enumerate(items, 1):
            where = f"task {number}"
            fields = self._object(item, where, _TASK_FIELDS)
            name = self._text(fields, "task", where)
            if name in seen:
                self._wrong(f"{name!r} stands in it twice")
            seen.add(name)
            yield PresetTask(name, self._fewshot(fields, name), self._primary(fields, name))

    def _fewshot(self, fields: Mapping[str, Any], task: str) -> int | None:
        value = fields.get("num_fewshot")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self._wrong(f"{task}: 'num_fewshot' is {value!r}, no number of examples")
        return value

    def _primary(self, fields: Mapping[str, Any], task: str) -> str | None:
        if fields.get("primary") is None:
            return None
        where = f"the primary metric of {task}"
        told = self._object(fields["primary"], where, _PRIMARY_FIELDS)
        metric = self._text(told, "metric", where)
        after = self._text(told, "filter", where, NO_FILTER)
        return metric if after == NO_FILTER else f"{metric},{after}"

    def _object(self, value: Any, where: str, known: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self._wrong(f"{where} is not a JSON object")
        for key in value:
            if key not in known:
                near = get_close_matches(key, known, n=1, cutoff=0.5)
                told = f"Did you mean {near[0]!r}? " if near else ""
                self._wrong(
                    f"{where} has a field {key!r}, which is not known",
                    f"{told}Known: {', '.join(known)}.",
                )
        return value

    def _text(
        self, fields: Mapping[str, Any], key: str, where: str, default: str | None = None
    ) -> str:
        value = fields.get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            self._wrong(f"{where}: {key!r} is no text")
        if printable(value) != value:
            self._wrong(f"{where}: {key!r} holds control characters")
        return value

    def _wrong(self, what: str, hint: str = "") -> NoReturn:
        raise UsageError(f"{self._origin}: {what}", hint=hint)
