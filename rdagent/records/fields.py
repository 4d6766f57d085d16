"""Check the fields of a JSON object while a record is read from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rdagent.errors import ResultError


class Fields:
    """One JSON object; each getter raises ResultError when a field has the wrong shape."""

    def __init__(self, document: Any, name: str, schema: str | None = None) -> None:
        if not isinstance(document, dict):
            raise ResultError(f"{name} is not a JSON object")
        self._document: Mapping[str, Any] = document
        self._name = name
        if schema is not None and document.get("schema") != schema:
            found = document.get("schema")
            raise ResultError(f"{name} has schema {found!r}; this version reads {schema!r}")

    def _wrong(self, key: str, expected: str) -> ResultError:
        return ResultError(f"{self._name}: field {key!r} is not {expected}")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string field."""
        value = self._document.get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        return value

    def text_or_none(self, key: str) -> str | None:
        """Return a string field that may be null or absent."""
        return None if self._document.get(key) is None else self.text(key)

    def number(self, key: str, default: float | None = None) -> float:
        """Return a numeric field."""
        value = self._document.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number")
        return value

    def number_or_none(self, key: str) -> float | None:
        """Return a numeric field that may be null or absent."""
        return None if self._document.get(key) is None else self.number(key)

    def integer(self, key: str, default: int | None = None) -> int:
        """Return an integer field."""
        value = self._document.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "an integer")
        return value

    def integer_or_none(self, key: str) -> int | None:
        """Return an integer field that may be null or absent."""
        return None if self._document.get(key) is None else self.integer(key)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return a true-or-false field."""
        value = self._document.get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def flag_or_none(self, key: str) -> bool | None:
        """Return a true-or-false field that may be null or absent."""
        return None if self._document.get(key) is None else self.flag(key)

    def mapping(self, key: str) -> dict[str, Any]:
        """Return an object field; absent counts as empty."""
        value = self._document.get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return value

    def mapping_or_none(self, key: str) -> dict[str, Any] | None:
        """Return an object field that may be null or absent."""
        return None if self._document.get(key) is None else self.mapping(key)

    def anything(self, key: str) -> Any:
        """Return a field unchecked; absent is None."""
        return self._document.get(key)

    def items(self, key: str) -> list[Any]:
        """Return a list field; absent counts as empty."""
        value = self._document.get(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings; absent counts as empty."""
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise self._wrong(key, "a list of strings")
        return tuple(values)
