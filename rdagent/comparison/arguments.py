"""The arguments that lm_eval gave to the engine, read from a results document.

lm_eval writes them as it got them: an object, or one text of ``key=value`` pairs.  Used
by ``about`` to name the model and by ``settings`` to hold two engines against each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_PARTS_LIMIT = 1000


def arguments_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the engine's arguments; empty where the results have none."""
    config = document.get("config")
    return parse_arguments(config.get("model_args") if isinstance(config, dict) else None)


def parse_arguments(told: Any) -> Mapping[str, Any]:
    """Return arguments by name, whether they stand there as an object or as a text."""
    if isinstance(told, dict):
        return told
    if not isinstance(told, str):
        return {}
    if told.lstrip().startswith("{"):
        try:
            document = json.loads(told)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}
    parts = [part.partition("=") for part in told.split(",")[:_PARTS_LIMIT]]
    return {name.strip(): value_of(text) for name, equals, text in parts if equals}


def value_of(text: str) -> Any:
    """Return a text as lm_eval takes it: a truth value, a number, none, else itself."""
    plain = text.strip()
    words = {"true": True, "false": False, "none": None}
    if plain.lower() in words:
        return words[plain.lower()]
    for kind in (int, float):
        try:
            return kind(plain)
        except ValueError:
            continue
    return plain
