"""How many documents of each task are evaluated: one rule for host and images.

A whole number counts documents; a number below 1 is a share of them; ``1.0``, the
share that leaves nothing out, is no limit at all, while ``1`` is one document.
"""

from __future__ import annotations

import math

Limit = int | float


def read_limit(value: object) -> Limit | None:
    """Return a limit, None for all documents; raises ValueError for what is none."""
    number = _number(value)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"a limit is a number, not {value!r}")
    if not 0 < number < math.inf:
        raise ValueError(f"a limit is above 0, not {value}")
    if isinstance(number, int):
        return number
    if number == 1.0:
        return None
    if number < 1:
        return number
    if number != int(number):
        raise ValueError(f"a limit above 1 counts documents, which {value} cannot")
    return int(number)


def _number(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in ("", "None"):
        return None
    try:
        return int(text) if text.removeprefix("+").isdecimal() else float(text)
    except ValueError:
        raise ValueError(f"a limit is a number, not {text!r}") from None
