"""One setting of two evaluations: how it is read, shown and held against the other's.

Used by ``run_settings``, ``engine_settings`` and ``task_settings``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rdagent.comparison.report import Finding, Level
from rdagent.comparison.rows import text_hash
from rdagent.files.printable import one_line

_SHOWN = 200
#: Reads a setting out of a results document; None where it is not known.
Reader = Callable[[Mapping[str, Any]], str | None]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing to hold against each other."""

    field: str
    level: Level
    read: Reader
    says: str = ""


def both(
    read: Reader, one: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[str | None, str | None]:
    """Return a setting of both sides."""
    return read(one), read(other)


def difference(
    setting: Setting, one: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield a finding where both sides are known and differ."""
    values = setting.read(one), setting.read(other)
    if None not in values and values[0] != values[1]:
        yield Finding(setting.level, setting.field, *values, says=setting.says)


def shown(value: Any) -> str:
    """Return a setting's value as one printable line; equal values alone give equal lines."""
    text = value if isinstance(value, str) else _as_json(value)
    line = one_line(text, _SHOWN)
    # What differs may stand beyond what is shown, or be what cannot be shown.
    return line if line == text else f"{one_line(text, _SHOWN - 20)} ({text_hash(text)[:12]})"


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    except RecursionError:
        return "too deep to show"


def in_config(name: str) -> Reader:
    """Return a reader of one entry of ``config``; absent or null is not known."""

    def read(document: Mapping[str, Any]) -> str | None:
        value = document["config"].get(name)
        return None if value is None else shown(value)

    return read


def at_top(name: str) -> Reader:
    """Return a reader of one entry of the document; absent or null is not known."""

    def read(document: Mapping[str, Any]) -> str | None:
        value = document.get(name)
        return None if value is None else shown(value)

    return read
