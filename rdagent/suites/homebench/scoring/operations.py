"""Which operations an answer holds, read strictly: the reading that the headline rests on.

An answer's operations stand in braces and are separated by commas; nothing is corrected, and
the gold is never looked at.  The time taken grows with the length of the answer and no faster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: What stands in the place of an operation that the home does not have.
ERROR_INPUT = "error_input"
GOLD_QUOTES = "'''"

_THINKING, _THOUGHT = "<think>", "</think>"
_BRACE = re.compile(r"[{}]")
_STRICT_MARKS = re.compile(r"[,()\[\]'\"]")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in an answer; order and repeats are kept."""

    operations: tuple[str, ...]
    #: Whether there was a place for operations at all, be it an empty one.
    parsed: bool


def read_strict(prediction: str | None) -> Reading:
    """Read the operations in the braces of an answer."""
    payloads = brace_groups(without_thinking(prediction))
    return Reading(
        tuple(item for payload in payloads for item in split(payload)), parsed=bool(payloads)
    )


def read_gold(gold: str) -> tuple[str, ...]:
    """Read the operations that a record asks for: no braces, triple quotes around them."""
    return tuple(split(gold.replace(GOLD_QUOTES, "")))


def without_thinking(prediction: str | None) -> str:
    """Return what follows the thinking; nothing where the thinking did not end."""
    answer = (prediction or "").rpartition(_THOUGHT)[2]
    return "" if _THINKING in answer else answer


def brace_groups(text: str) -> list[str]:
    """Return what stands in each balanced pair of outermost braces, without inner braces.

    A brace that is never closed opens no group, and neither does anything inside it.
    """
    found, depth, start = [], 0, 0
    for mark in _BRACE.finditer(text):
        if mark[0] == "{":
            depth += 1
            if depth == 1:
                start = mark.end()
        elif depth:
            depth -= 1
            if depth == 0:
                found.append(text[start : mark.start()])
    return [_BRACE.sub("", group) for group in found]


def split(payload: str, marks: re.Pattern[str] = _STRICT_MARKS) -> list[str]:
    """Split at separators outside brackets and quotes; drop all whitespace and empty items.

    ``marks`` matches brackets, quotes and the separators: whatever it finds that is neither of
    the first two separates.
    """
    pieces, start, depth, quote = [], 0, 0, ""
    for mark in marks.finditer(payload):
        sign = mark[0]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth = max(0, depth - 1)
        elif depth == 0:
            pieces.append(payload[start : mark.start()])
            start = mark.end()
    pieces.append(payload[start:])
    return [item for piece in pieces if (item := "".join(piece.split()))]


@dataclass(frozen=True, slots=True)
class Call:
    """An operation taken apart: ``kitchen.light.set_brightness(40)``."""

    #: ``kitchen.light``; ``vacuum_robot`` for what belongs to no room.
    device: str
    method: str
    argument: str

    @property
    def name(self) -> str:
        """The call without its argument."""
        return f"{self.device}.{self.method}"


def parse_call(operation: str) -> Call | None:
    """Take an operation apart; None where it has not the form of a call of a device."""
    name, opened, rest = operation.partition("(")
    device, _, method = name.rpartition(".")
    if not (opened and rest.endswith(")") and method):
        return None
    if not all(part.isidentifier() for part in (*device.split("."), method)):
        return None
    return Call(device, method, rest[:-1])


def strange_gold(operations: tuple[str, ...]) -> bool:
    """Whether something in a gold is neither a call nor ``error_input``, or there is nothing."""
    return not operations or any(
        operation != ERROR_INPUT and parse_call(operation) is None for operation in operations
    )
