"""List what the installed LLaMA-Factory knows: ``python -m rdagent.inside.train.list_keys``.

The host keeps the output as ``training/known_keys.json``, so that a misspelt key is
refused before a container starts.  A test makes the list again and compares.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import types
import typing
from collections.abc import Mapping
from enum import Enum
from importlib import metadata
from typing import Any, Literal

SCHEMA = "rdagent.training-keys/1"
GROUPS = ("Model", "Data", "Training", "Finetuning", "Generating")
_KINDS = {bool: "bool", int: "int", float: "float", str: "str", type(None): "null"}
#: A configuration that LLaMA-Factory takes, to which one wrong value is added.
_ACCEPTED: Mapping[str, Any] = {
    "model_name_or_path": "model",
    "stage": "sft",
    "do_train": True,
    "dataset": "data",
    "output_dir": "/tmp/output",  # noqa: S108 - never written to
    "overwrite_output_dir": True,
    "report_to": "none",
}
#: Not checked where arguments are parsed, and yet nothing trains with another value.
_CHECKED_LATER = ("stage", "template")


def known() -> dict[str, Any]:
    """Return every key with the kinds of value that it takes, the templates, the versions."""
    from llamafactory.data.parser import DatasetAttr
    from llamafactory.data.template import TEMPLATES
    from llamafactory.extras.constants import FILEEXT2TYPE

    return {
        "schema": SCHEMA,
        "versions": {name: metadata.version(name) for name in ("llamafactory", "transformers")},
        "keys": dict(sorted(_keys(sorted(TEMPLATES)))),
        "data_file_types": sorted(FILEEXT2TYPE),
        "dataset_fields": {field.name: field.default for field in _defaulted(DatasetAttr)},
    }


def _defaulted(group: Any) -> list[Any]:
    fields = dataclasses.fields(group)
    return [field for field in fields if field.default is not dataclasses.MISSING]


def _keys(templates: list[str]) -> list[tuple[str, dict[str, Any]]]:
    from llamafactory import hparams

    found = []
    for name in GROUPS:
        group = getattr(hparams, f"{name}Arguments")
        hints = typing.get_type_hints(group)
        for field in dataclasses.fields(group):
            if field.init:
                found.append((field.name, _key(name.lower(), field.name, hints[field.name])))
    entries = dict(found)
    entries["template"]["choices"] = templates
    for key, entry in entries.items():
        if "choices" in entry:
            entry["enforced"] = key in _CHECKED_LATER or _is_refused(key, "no such value")
    return list(entries.items())


def _key(group: str, name: str, hint: Any) -> dict[str, Any]:
    kinds: set[str] = set()
    choices: list[str] = []
    for part in _parts(hint):
        if typing.get_origin(part) is Literal:
            choices += [str(value) for value in typing.get_args(part)]
            kinds.add("str")
        elif isinstance(part, type) and issubclass(part, Enum):
            choices += [str(member.value) for member in part]
            kinds.add("str")
        else:
            origin = typing.get_origin(part) or part
            kinds.add(_KINDS.get(origin) or str(getattr(origin, "__name__", origin)))
    entry: dict[str, Any] = {"group": group, "kinds": sorted(kinds)}
    return {**entry, "choices": choices} if choices else entry


def _parts(hint: Any) -> list[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [piece for part in typing.get_args(hint) for piece in _parts(part)]
    if typing.get_origin(hint) is typing.Annotated:
        return _parts(typing.get_args(hint)[0])
    return [hint]


def _is_refused(key: str, value: Any) -> bool:
    from llamafactory.hparams import get_train_args

    try:
        get_train_args({**_ACCEPTED, key: value})
    except (ValueError, TypeError, AssertionError, KeyError):
        return True
    except ImportError:
        # Any value at all wants a library that the image does not have.
        return False
    return False


def main() -> int:
    """Print the list."""
    # LLaMA-Factory logs to stdout.
    with contextlib.redirect_stdout(sys.stderr):
        document = known()
    print(as_text(document))
    return 0


def as_text(document: Mapping[str, Any]) -> str:
    """Return the document with one key a line, so that a newer version reads as a diff."""
    lines = []
    for name, value in document.items():
        if name == "keys":
            rows = ",\n".join(
                f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in value.items()
            )
            lines.append(f' "keys": {{\n{rows}\n }}')
        else:
            lines.append(f" {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}"


if __name__ == "__main__":
    sys.exit(main())
