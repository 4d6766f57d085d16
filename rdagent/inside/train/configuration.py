"""Read LLaMA-Factory's configuration and put overrides over it, each with a record.

The file is read the way LLaMA-Factory's own command line reads it, so that it needs
no editing.  JSON files, which that command line cannot read, are read as well.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import RefusedError


@dataclass(frozen=True, slots=True)
class Override:
    """A value that is put over the file's, and why."""

    value: Any
    why: str


@dataclass(frozen=True, slots=True)
class AppliedOverride:
    """One key whose value was changed; ``old`` is None where the file says nothing."""

    key: str
    old: Any
    new: Any
    why: str

    def line(self) -> str:
        """Return the change as one readable line."""
        return f"override {self.key}: {_shown(self.old)} -> {_shown(self.new)} ({self.why})"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What LLaMA-Factory is given, and what was changed to get there."""

    values: Mapping[str, Any]
    applied: tuple[AppliedOverride, ...] = ()

    def with_overrides(self, overrides: Mapping[str, Override]) -> Configuration:
        """Return the configuration with the overrides that change something."""
        values, applied = dict(self.values), list(self.applied)
        for key, override in overrides.items():
            if values.get(key) == override.value:
                continue
            applied.append(AppliedOverride(key, values.get(key), override.value, override.why))
            values[key] = override.value
        return Configuration(values, tuple(applied))


def read_configuration(path: Path) -> Configuration:
    """Read a YAML or JSON file; raises RefusedError when it is missing or holds no settings."""
    try:
        document = _from_json(path) if path.suffix == ".json" else _from_yaml(path)
    except FileNotFoundError:
        raise RefusedError(f"the training configuration {path} is missing") from None
    if not isinstance(document, dict) or not document:
        raise RefusedError(f"{path} holds no settings", hint="Write one 'key: value' a line.")
    return Configuration({str(key): value for key, value in document.items()})


def _from_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise RefusedError(f"{path} is not valid JSON: {error}") from error


def _from_yaml(path: Path) -> Any:
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        return OmegaConf.to_container(OmegaConf.load(path))
    except (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise RefusedError(f"{path} is not valid YAML: {error}") from error


def refuse_unknown_keys(values: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise RefusedError with near names when a key is none that LLaMA-Factory knows."""
    names = sorted(known)
    unknown = sorted(set(values) - set(names))
    if not unknown:
        return
    near = {key: difflib.get_close_matches(key, names, n=2) for key in unknown}
    hints = [
        f"did you mean {' or '.join(close)} instead of {key}?"
        for key, close in near.items()
        if close
    ]
    raise RefusedError(
        f"LLaMA-Factory does not know {', '.join(unknown)}",
        hint=" ".join(hints) or "Remove it, or look it up in LLaMA-Factory's documentation.",
    )


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
