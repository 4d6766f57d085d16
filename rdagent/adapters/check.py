"""Check an adapter's folder before anything expensive starts; torch is not needed.

The groups of checks have a module each: ``files``, ``header``, ``configuration``,
``names``, ``layers``, ``shapes``, ``values``, ``base``, ``vocabulary``, ``evidence``.
A group is left out when an earlier one found nothing to go by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rdagent.adapters.base import BaseFiles, check_identity
from rdagent.adapters.configuration import LoraConfiguration, read_configuration
from rdagent.adapters.evidence import check_evidence
from rdagent.adapters.files import WEIGHTS_FILE, find_adapter
from rdagent.adapters.header import Tensor, Unreadable, read_header
from rdagent.adapters.layers import check_layers
from rdagent.adapters.names import Contents, sort_tensors
from rdagent.adapters.problems import Problem
from rdagent.adapters.serving import SERVING_CODES, Serving, serving_of
from rdagent.adapters.shapes import check_shapes
from rdagent.adapters.values import check_values
from rdagent.adapters.vocabulary import check_vocabulary, saved_rows
from rdagent.errors import AdapterInvalid

SCHEMA = "rdagent.adapter-check/1"
#: The sentence that users of the first version know.
PREFIX = "Adapter validation failed"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA folder that was read, and how it can be served."""

    path: Path
    configuration: LoraConfiguration
    tensors: tuple[str, ...]
    serving: Serving
    #: Rows of the embeddings that it brings, if it brings any.
    embedding_rows: int | None

    @property
    def rank(self) -> int:
        """The largest rank that a layer of the adapter has."""
        return self.configuration.highest_rank

    @property
    def base_model(self) -> str | None:
        """The base model that it names."""
        return self.configuration.base_model


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found; ``adapter`` is None when there is none that could be read."""

    path: Path
    problems: tuple[Problem, ...]
    adapter: Adapter | None

    @property
    def ok(self) -> bool:
        """Whether the adapter can be evaluated."""
        return not self.errors

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What stands in the way."""
        return tuple(found for found in self.problems if found.severity == "error")

    @property
    def remarks(self) -> tuple[str, ...]:
        """The warnings that a reader of scores should know, serving aside."""
        return tuple(
            f"{found.code}: {found.message}"
            for found in self.problems
            if found.severity == "warning" and found.code not in SERVING_CODES
        )

    def required(self) -> Adapter:
        """Return the adapter; raises AdapterInvalid with the first error and its fix."""
        if self.adapter is None or self.errors:
            first, *more = self.errors
            rest = f" ({len(more)} more: rdagent check-adapter says all)" if more else ""
            raise AdapterInvalid(f"{PREFIX}: {first.message}{rest}", hint=first.fix)
        return self.adapter

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        serving = self.adapter.serving if self.adapter and self.ok else None
        return {
            "schema": SCHEMA,
            "path": str(self.path),
            "ok": self.ok,
            "problems": [asdict(found) for found in self.problems],
            "serves": _serves(serving),
        }


def _serves(serving: Serving | None) -> Mapping[str, bool]:
    if serving is None:
        return {"vllm": False, "hf": False, "merge_needed": False}
    return {
        "vllm": serving.is_plain,
        "hf": True,
        "merge_needed": not serving.is_plain and serving.can_merge,
    }


def check_adapter(
    path: Path,
    *,
    base: BaseFiles | None = None,
    named_base: BaseFiles | None = None,
    skip_values: bool = False,
) -> Report:
    """Check a folder; ``base`` is the model it is to be evaluated on, ``named_base`` its own.

    Never raises for what is wrong with the folder.  ``skip_values`` leaves the numbers
    unread, for a caller who asks for names and shapes only.
    """
    found = find_adapter(path)
    problems = list(found.problems)
    if found.broken and not _has_weights(found.problems):
        return Report(found.folder, tuple(problems), None)
    folder = found.folder
    tensors, said = _tensors(folder)
    problems += said
    configuration = None
    if not any(p.code == "config_missing" for p in problems):
        configuration, config_said = read_configuration(folder)
        problems += config_said
    if configuration is None or not tensors:
        return Report(folder, _ordered(problems), None)
    contents, said_of_names = sort_tensors(tensors, configuration)
    problems += said_of_names
    if contents.modules or contents.token_rows:
        checks = _Checks(folder, tensors, contents, configuration, base, named_base)
        problems += checks.all(skip_values=skip_values)
    problems += check_evidence(folder)
    adapter = Adapter(
        path=folder.absolute(),
        configuration=configuration,
        tensors=tuple(sorted(tensor.name for tensor in tensors)),
        serving=serving_of(configuration, contents),
        embedding_rows=saved_rows(contents),
    )
    return Report(folder, _ordered([*problems, *adapter.serving.reasons]), adapter)


def _has_weights(problems: tuple[Problem, ...]) -> bool:
    return all(found.code == "config_missing" for found in problems if found.severity == "error")


def _tensors(folder: Path) -> tuple[tuple[Tensor, ...], tuple[Problem, ...]]:
    try:
        return read_header(folder / WEIGHTS_FILE), ()
    except Unreadable as error:
        return (), (error.problem,)


def _ordered(problems: list[Problem]) -> tuple[Problem, ...]:
    """Return errors first, then warnings, then notes, each in the order found."""
    ranks = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(problems, key=lambda found: ranks[found.severity]))


@dataclass(frozen=True, slots=True)
class _Checks:
    folder: Path
    tensors: tuple[Tensor, ...]
    contents: Contents
    configuration: LoraConfiguration
    base: BaseFiles | None
    named_base: BaseFiles | None

    def all(self, *, skip_values: bool) -> Iterator[Problem]:
        weights = self.folder / WEIGHTS_FILE
        yield from check_layers(self.contents, self.configuration, self.base)
        shapes = tuple(check_shapes(self.contents, self.tensors, self.configuration, self.base))
        yield from shapes
        if not shapes and not skip_values:
            yield from check_values(weights, self.tensors, self.contents, self.configuration)
        yield from check_identity(self.configuration, self.base, self.named_base)
        yield from check_vocabulary(self.folder, self.contents, self.configuration, self.base)


def inspect_adapter(path: Path) -> Adapter:
    """Return what a folder holds, numbers unread; raises AdapterInvalid when it cannot be used."""
    return check_adapter(path, skip_values=True).required()
