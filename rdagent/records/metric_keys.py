"""``metric,filter``: the names that lm_eval gives scores, and which of them goes before others.

The host picks a task's primary score by it, and a run that stops when decided its items.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

NO_FILTER = "none"


def split_key(key: str) -> tuple[str, str]:
    """Split ``metric,filter``; a bare name has the filter ``none``."""
    metric, comma, filter_name = key.rpartition(",")
    return (metric, filter_name) if comma else (filter_name, NO_FILTER)


def short_key(metric: str, filter_name: str) -> str:
    """Return ``metric,filter``, the empty filter left out."""
    return metric if filter_name == NO_FILTER else f"{metric},{filter_name}"


def rank(key: str, preference: Sequence[str]) -> tuple[int, int, str]:
    """Return what orders scores of which none is named: by metric, by filter, by name."""
    metric, filter_name = split_key(key)
    short = short_key(metric, filter_name)
    return (
        _place([split_key(one)[0] for one in preference], metric),
        _place(preference, short),
        short,
    )


def _place(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)


def first_choice(
    keys: Collection[str], wanted: Sequence[str], preference: Sequence[str]
) -> str | None:
    """Return the key that a task is decided by: the first that is wanted, else by preference."""
    there = {split_key(key): key for key in keys}
    for key in wanted:
        if split_key(key) in there:
            return there[split_key(key)]
    return min(keys, key=lambda key: rank(key, preference), default=None)
