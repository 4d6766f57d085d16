"""Read a file of answers, and a file of homes: anybody's uploads.

Answers are JSON lines or one JSON array; ours have ``category``, ``gold`` and ``prediction``,
the reproductions' ``generated`` and ``expected``.  What cannot be scored at all ends with an
error that names the line.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files.printable import one_line
from rdagent.files.untrusted import JSON_LIMIT, LINES_LIMIT, open_untrusted, parse_json
from rdagent.suites.homebench.scoring.categories import CATEGORIES, category_of
from rdagent.suites.homebench.scoring.lenient import ANSWER_MARK

#: One JSON array is in memory as a whole.
ARRAY_LIMIT = 8 * JSON_LIMIT
GOLD_NAMES = ("gold", "expected", "output")
PREDICTION_NAMES = ("prediction", "generated")
#: What comes before the instruction in the benchmark's own prompt.
_QUESTION = "<User instructions:>"
_RELEASED_ID = re.compile(r"home(\d+)_(?:one|multi)_\d+", re.ASCII)
_METHOD = ("room_name", "device_name", "operation")
_FORMAT = "JSON lines or one JSON array is expected, each record an object."


@dataclass(frozen=True, slots=True)
class Record:
    """One answer, as it stands in the file."""

    index: int
    #: ``line 3``, or ``record 3`` of an array.
    place: str
    id: str | int | None
    category: str
    kind: str | None
    #: None where the file has none, or something that is no text.
    gold: str | None
    prediction: str | None
    home: str | None
    request: str | None


def read_records(path: Path) -> list[Record]:
    """Read the answers in the order of the file; an id that comes twice is an error."""
    records: list[Record] = []
    seen: dict[tuple[type, str | int], str] = {}
    for place, fields in _objects(path):
        record = _record(len(records), place, fields, path.name)
        if record.id is not None:
            first = seen.setdefault((type(record.id), record.id), place)
            if first != place:
                raise ResultError(
                    f"{path.name}: {place} has the id of {first}, {one_line(str(record.id))}",
                    hint="Every record is scored once. Parts of a distributed run that were"
                    " joined may hold some twice.",
                )
        records.append(record)
    return records


def _record(index: int, place: str, fields: dict[str, Any], name: str) -> Record:
    where = f"{name}: {place}"
    identity = _name_or_number(fields.get("id"), f"{where}: id")
    kind = _optional_text(fields, "type", where)
    home = _name_or_number(fields.get("home_id"), f"{where}: home_id")
    if home is None and isinstance(identity, str):
        released = _RELEASED_ID.fullmatch(identity)
        home = released[1] if released else None
    gold = _first(fields, GOLD_NAMES, where)
    prediction = _first(fields, PREDICTION_NAMES, where)
    if prediction is not None and not isinstance(prediction, str):
        raise ResultError(f"{where}: the prediction is {_what(prediction)}; a text is expected")
    return Record(
        index=index,
        place=place,
        id=identity,
        category=_category(fields, kind, where),
        kind=kind if kind is not None and category_of(kind) else None,
        gold=gold if isinstance(gold, str) else None,
        prediction=prediction,
        home=None if home is None else str(home),
        request=_instruction(_optional_text(fields, "input", where)),
    )


def _instruction(text: str | None) -> str | None:
    """Return what was asked; where the whole prompt was written down, its last question."""
    if text is None or _QUESTION not in text:
        return text
    return text.rpartition(_QUESTION)[2].partition(ANSWER_MARK)[0].strip()


def _category(fields: dict[str, Any], kind: str | None, where: str) -> str:
    known = f"The categories are {', '.join(CATEGORIES)}."
    given = fields.get("category")
    if given is not None:
        if given not in CATEGORIES:
            raise ResultError(f"{where}: unknown category {one_line(repr(given), 80)}", hint=known)
        return str(given)
    if kind is None:
        raise ResultError(
            f"{where}: neither category nor type",
            hint=f"Each record says what was asked. {known} Or give the data's own type, such as"
            " normal, unexist_device or multi3_mix.",
        )
    category = category_of(kind)
    if category is None:
        raise ResultError(f"{where}: unknown type {one_line(repr(kind), 80)}", hint=known)
    return category


def _first(fields: dict[str, Any], names: tuple[str, ...], where: str) -> Any:
    for name in names:
        if name in fields:
            return fields[name]
    raise ResultError(
        f"{where}: no {names[0]}",
        hint=f"Also accepted: {', '.join(names[1:])}. The record has"
        f" {one_line(', '.join(fields)) or 'nothing'}.",
    )


def _optional_text(fields: dict[str, Any], name: str, where: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ResultError(f"{where}: {name} is {_what(value)}; a text is expected")
    return value


def _name_or_number(value: Any, where: str) -> str | int | None:
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return value
    raise ResultError(f"{where} is {_what(value)}; a text or a whole number is expected")


def _what(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", str: "a text"}
    return names.get(type(value), "a number")


@dataclass(frozen=True, slots=True)
class Homes:
    """The methods of each home, as ``room.device.method``."""

    methods: dict[str, frozenset[str]]

    def of(self, home: str | None) -> frozenset[str] | None:
        """Return the methods of a home; None where it is not here."""
        return None if home is None else self.methods.get(home)


def read_homes(path: Path) -> Homes:
    """Read the released format's homes; only their methods are kept."""
    found: dict[str, frozenset[str]] = {}
    for place, fields in _objects(path):
        where = f"{path.name}: {place}"
        home = _name_or_number(fields.get("home_id"), f"{where}: home_id")
        methods = fields.get("method")
        if home is None or not isinstance(methods, list):
            raise ResultError(f"{where}: a home has home_id and a list of its methods, method")
        if str(home) in found:
            raise ResultError(f"{where}: home {one_line(str(home))} comes twice")
        found[str(home)] = frozenset(_method(each, where) for each in methods)
    return Homes(found)


def _method(fields: Any, where: str) -> str:
    values = [fields.get(name) for name in _METHOD] if isinstance(fields, dict) else []
    parts = [value for value in values if isinstance(value, str)]
    if len(parts) != len(_METHOD):
        raise ResultError(f"{where}: a method has the texts {', '.join(_METHOD)}")
    # What belongs to no room has the text None there.
    return ".".join(parts[1:] if parts[0] == "None" else parts)


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each record with its place; an empty file is an error."""
    empty = True
    for place, document in _documents(path):
        if not isinstance(document, dict):
            raise ResultError(f"{path.name}: {place} is {_what(document)}", hint=_FORMAT)
        empty = False
        yield place, document
    if empty:
        raise ResultError(f"{path.name} holds no records", hint=_FORMAT)


def _documents(path: Path) -> Iterator[tuple[str, Any]]:
    # A link on the command line is the user's own.
    with os.fdopen(open_untrusted(path.resolve(), LINES_LIMIT), "rb") as stream:
        number = 0
        while line := stream.readline(JSON_LIMIT + 1):
            number += 1
            content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if not content.strip():
                continue
            if content.lstrip().startswith(b"["):
                # Nothing but white space came before it, so this is an array and no line.
                content += stream.read(ARRAY_LIMIT + 1)
                yield from _array(content, path.name)
                return
            if len(line) > JSON_LIMIT:
                raise ResultError(f"{path.name}: line {number} is over {JSON_LIMIT} bytes")
            yield f"line {number}", _document(content, f"line {number} of {path.name}")


def _array(content: bytes, name: str) -> Iterator[tuple[str, Any]]:
    if len(content) > ARRAY_LIMIT:
        raise ResultError(
            f"{name}: the array has over {ARRAY_LIMIT} bytes",
            hint="Write JSON lines: they are read one at a time.",
        )
    for number, document in enumerate(_document(content, name), 1):
        yield f"record {number}", document


def _document(content: bytes, name: str) -> Any:
    try:
        return parse_json(content.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        raise ResultError(f"{name} is not UTF-8: {error.reason}", hint=_FORMAT) from error
    except ResultError as error:
        raise ResultError(error.message, hint=_FORMAT) from error
