"""Turn what lm_eval returns into JSON that every reader takes."""

from __future__ import annotations

import math
import re
from typing import Any


def plain(value: Any) -> Any:
    """Return a value as JSON types; numpy's scalars become numbers, other objects their text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return plain(item())
    return _without_addresses(str(value))


def _without_addresses(text: str) -> str:
    # A function's text holds its address, which differs in every process.
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def finite(value: Any) -> Any:
    """Return JSON types with NaN and infinities replaced by null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
