"""Read what a container wrote as if a stranger had uploaded it.

No link is followed, nothing but a regular file is opened, nothing larger than
asked for is read, and JSON may hold neither NaN nor infinity.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from rdagent.errors import ResultError

MEBIBYTE = 1 << 20
JSON_LIMIT = 64 * MEBIBYTE
LINES_LIMIT = 4096 * MEBIBYTE


def open_untrusted(path: Path, limit: int) -> int:
    """Open a regular file of at most ``limit`` bytes and return its descriptor."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise ResultError(f"{path.name} is missing", hint=f"expected at {path}") from None
    except OSError as error:
        raise ResultError(f"{path.name} cannot be opened: {error.strerror}") from error
    try:
        _check_regular(path, os.fstat(descriptor), limit)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(path: Path, status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ResultError(f"{path.name} is not a regular file")
    if status.st_nlink > 1:
        raise ResultError(f"{path.name} has {status.st_nlink} names; a result has one")
    if status.st_size > limit:
        raise ResultError(f"{path.name} has {status.st_size} bytes; at most {limit} are read")


def read_bytes(path: Path, limit: int = JSON_LIMIT) -> bytes:
    """Return the content of an untrusted file; a file that grows while read is refused."""
    with os.fdopen(open_untrusted(path, limit), "rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise ResultError(f"{path.name} grew beyond {limit} bytes while it was read")
    return content


def read_json(path: Path, limit: int = JSON_LIMIT) -> Any:
    """Return an untrusted JSON document; NaN and infinities are refused."""
    return parse_json(read_bytes(path, limit), path.name)


def parse_json(content: bytes | str, name: str) -> Any:
    """Parse strict JSON; ``name`` stands in the message when it is none."""
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{name} is not valid JSON: {error}") from error


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number that JSON knows")


def finite_number(value: Any) -> float | None:
    """Return a JSON number as a float; None for what is none, NaN, or too large to be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def read_json_lines(path: Path, limit: int = LINES_LIMIT) -> Iterator[Any]:
    """Yield the documents of an untrusted JSON-lines file, one line in memory at a time."""
    with os.fdopen(open_untrusted(path, limit), "rb") as stream:
        number = 0
        while line := stream.readline(JSON_LIMIT + 1):
            number += 1
            if len(line) > JSON_LIMIT:
                raise ResultError(f"line {number} of {path.name} is over {JSON_LIMIT} bytes")
            if line.strip():
                yield parse_json(line, f"line {number} of {path.name}")
