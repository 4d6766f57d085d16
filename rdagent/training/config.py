"""Read a workspace's ``train.yaml`` (or ``.json``): LLaMA-Factory's own file, as a user wrote it.

Only what the host must know is typed; the rest is kept as it is.  ``datasets`` finds
the data that it names, ``overrides`` says what is put over it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rdagent.errors import UsageError
from rdagent.training.keys import check_keys

SIZE_LIMIT = 1 << 20
#: LLaMA-Factory's loader takes ``5e-3`` for a number, YAML 1.1 takes it for text.
_FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9_]+(?:[eE][-+][0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """What the host needs of a training configuration; ``values`` is all of it."""

    path: Path
    workspace: Path
    values: Mapping[str, Any]
    model_name_or_path: str | None
    template: str | None
    stage: str
    finetuning_type: str
    datasets: tuple[str, ...]
    eval_datasets: tuple[str, ...]
    dataset_dir: str | None
    output_dir: str | None
    #: What is allowed and may not be meant.
    notes: tuple[str, ...] = ()

    @property
    def all_datasets(self) -> tuple[str, ...]:
        """Every data set that is read, each once."""
        return tuple(dict.fromkeys((*self.datasets, *self.eval_datasets)))


def read_config(path: Path) -> TrainingConfig:
    """Read a configuration; its folder is the workspace.

    Raises UsageError when it is missing or malformed, and when a key or a value
    cannot be meant.
    """
    values = _read_values(path)
    notes = check_keys(values, path)
    if values.get("do_train") is not True:
        raise UsageError(f"{path} does not train", hint="Add the line 'do_train: true'.")
    fields = _Fields(path, values)
    config = TrainingConfig(
        path=path.absolute(),
        workspace=path.absolute().parent,
        values=values,
        model_name_or_path=fields.text("model_name_or_path"),
        template=fields.text("template"),
        stage=fields.text("stage") or "sft",
        finetuning_type=fields.text("finetuning_type") or "lora",
        datasets=fields.names("dataset"),
        eval_datasets=fields.names("eval_dataset"),
        dataset_dir=fields.text("dataset_dir"),
        output_dir=fields.text("output_dir"),
        notes=notes,
    )
    if not config.datasets:
        raise UsageError(
            f"{path} names no data set", hint="Add 'dataset: NAME', a key of dataset_info.json."
        )
    return config


def _read_values(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    try:
        document = json.loads(text) if path.suffix == ".json" else yaml.load(text, _Loader)  # noqa: S506
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{path} cannot be parsed: {error}", hint="Correct the line.") from error
    if not isinstance(document, dict) or not document:
        raise UsageError(f"{path} holds no settings", hint="Write one 'key: value' a line.")
    if wrong := [key for key in document if not isinstance(key, str)]:
        raise UsageError(f"{path}: the key {wrong[0]!r} is not a name")
    return document


def _read_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > SIZE_LIMIT:
            raise UsageError(f"{path} has {size} bytes; a training configuration is small")
        return path.read_text("utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"the training configuration {path} is missing",
            hint="Write a train.yaml as for 'llamafactory-cli train' into the workspace.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


class _Fields:
    """Typed access to values that a user wrote."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self._path = path
        self._values = values

    def text(self, key: str) -> str | None:
        """Return a string; absent, null and empty are None."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{self._path}: {key} is {value!r}, not text")
        return value or None

    def names(self, key: str) -> tuple[str, ...]:
        """Return names that are given with commas or as a list."""
        value = self._values.get(key) or ()
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or not all(isinstance(p, str) for p in parts):
            raise UsageError(f"{self._path}: {key} is {value!r}, not a list of names")
        return tuple(part.strip() for part in parts if part.strip())


class _Loader(yaml.SafeLoader):
    """Safe YAML as LLaMA-Factory reads it: its numbers, no dates, no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; a key that stands twice is an error."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [key for key in keys if keys.count(key) > 1 and key != "<<"]:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(f"^(?:{_FLOAT.pattern})$"), list("-+0123456789.")
)
