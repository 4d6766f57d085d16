"""The five categories, and the ``type`` of the released records that each is made of."""

from __future__ import annotations

import re

#: Valid or invalid, single or multiple; mixed is multiple and partly valid.
CATEGORIES = ("VS", "IS", "VM", "IM", "MM")
ALL = "ALL"
#: Every operation can be done, and none can: what the harmonic mean sets against each other.
ACTING, REFUSING = ("VS", "VM"), ("IS", "IM")

_SINGLE = {"normal": "VS", "unexist_device": "IS", "unexist_attribute": "IS"}
_MULTIPLE = {"normal": "VM", "unexist_device": "IM", "unexist_attribute": "IM", "mix": "MM"}
_MULTI = re.compile(r"multi\d*_(\w+)", re.ASCII)


def category_of(kind: str) -> str | None:
    """Return the category of a record's ``type``; None for a type that is not known."""
    multiple = _MULTI.fullmatch(kind)
    return _MULTIPLE.get(multiple[1]) if multiple else _SINGLE.get(kind)


def kind_without_size(kind: str) -> str:
    """Return ``multi_mix`` for ``multi8_mix``; other types as they are."""
    multiple = _MULTI.fullmatch(kind)
    return f"multi_{multiple[1]}" if multiple else kind
