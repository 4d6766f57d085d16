"""Strict reading of JSON-lines files of a stranger; every complaint names file and line.

``records`` and ``homes`` read through this.  A :class:`Place` goes down into a document
with the reader, so that a message says which field it is about.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from rdagent.errors import ResultError
from rdagent.files.printable import one_line
from rdagent.files.untrusted import LINES_LIMIT, open_untrusted, parse_json

#: A released home has about 21,000 bytes, a released record about 300.
LINE_LIMIT = 16 << 20
NUMBER_LIMIT = 1_000_000_000
_NAME = re.compile(r"[^\W\d]\w{0,63}")
_HALF = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: the file, the line, and the way into the document."""

    file: str
    line: int
    way: str = ""

    def into(self, step: str | int) -> Place:
        """Return the place one step further in."""
        return Place(self.file, self.line, f"{self.way}.{step}" if self.way else str(step))

    def refuse(self, what: str, expected: str) -> NoReturn:
        """Raise an error that says what stands here and what should."""
        where = f" ({one_line(self.way, 120)})" if self.way else ""
        raise ResultError(
            f"line {self.line} of {self.file}{where}: {what}", hint=f"Expected {expected}."
        )


def read_lines(path: Path) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Yield the JSON objects of a file with their places; empty lines are passed over."""
    with os.fdopen(open_untrusted(path, LINES_LIMIT), "rb") as stream:
        number = 0
        while line := stream.readline(LINE_LIMIT + 1):
            number += 1
            place = Place(path.name, number)
            if len(line) > LINE_LIMIT:
                place.refuse(f"the line is over {LINE_LIMIT} bytes", "one record a line")
            if line.strip():
                document = parse_json(line, f"line {number} of {path.name}")
                yield place, as_object(place, document)


def as_object(place: Place, value: Any) -> Mapping[str, Any]:
    """Return a JSON object, or refuse."""
    if not isinstance(value, dict):
        place.refuse(f"{shown(value)} is no object", "an object with named fields")
    return cast("dict[str, Any]", value)


def as_list(place: Place, value: Any) -> list[Any]:
    """Return a JSON list, or refuse."""
    if not isinstance(value, list):
        place.refuse(f"{shown(value)} is no list", "a list")
    return value


def as_text(place: Place, value: Any, limit: int) -> str:
    """Return a text with something in it, of at most ``limit`` characters, or refuse."""
    if not isinstance(value, str) or not value.strip():
        place.refuse(f"{shown(value)} is no text", "a text that is not empty")
    if len(value) > limit:
        place.refuse(f"the text has {len(value)} characters", f"at most {limit}")
    if _HALF.search(value):
        place.refuse("half a character stands in the text", "text that UTF-8 can hold")
    return value


def as_word(place: Place, value: Any) -> str:
    """Return a short text on one line, without blanks around it, or refuse."""
    text = as_text(place, value, 100)
    if one_line(text) != " ".join(text.split()) or "\n" in text:
        place.refuse("control characters stand in the text", "a short text on one line")
    return text.strip()


def as_name(place: Place, value: Any) -> str:
    """Return a name as calls use it (letters, digits, underscores), or refuse."""
    text = as_word(place, value)
    if not _NAME.fullmatch(text):
        place.refuse(f"{shown(value)} is no name", "letters, digits and underscores")
    return text


def as_integer(place: Place, value: Any) -> int:
    """Return a whole number, or refuse; a text that holds one is one (released bounds are)."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,10}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > NUMBER_LIMIT:
        place.refuse(f"{shown(value)} is no whole number", f"one within {NUMBER_LIMIT}")
    return int(value)


def field(place: Place, document: Mapping[str, Any], name: str) -> tuple[Place, Any]:
    """Return a field with its place, or refuse when it is missing."""
    if name not in document:
        there = ", ".join(one_line(str(key), 40) for key in list(document)[:10]) or "nothing"
        place.refuse(f"the field {name!r} is missing; there is {there}", f"a field {name!r}")
    return place.into(name), document[name]


def shown(value: Any) -> str:
    """Return a value as a message may show it."""
    return one_line(repr(value)[:400], 60)
