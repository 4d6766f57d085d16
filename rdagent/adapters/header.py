"""Read the header of a safetensors file as if a stranger had sent it.

A file that this module lets through has tensors that lie one after the other, without
hole or overlap, and end where the file ends.  Used for adapters and for their bases.
"""

from __future__ import annotations

import json
import math
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rdagent.adapters.problems import Problem, problem
from rdagent.files.printable import one_line

#: What the library itself allows.
HEADER_LIMIT = 100_000_000
_TENSORS_LIMIT = 1_000_000
_ELEMENTS_LIMIT = 1 << 50
_LFS_MARK = b"version https://git-lfs"
#: What other kinds of files begin with.
_MARKS = (
    (b"PK\x03\x04", "a zip archive, such as torch.save writes"),
    (b"\x80\x02}", "a pickle"),
    (b"\x80\x02\x8a", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"GGUF", "a GGUF model"),
    (b"\x89HDF", "an HDF5 file"),
    (b"<!", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML document, such as a storage's error message"),
    (b"Entry not found", "an error message of the hub"),
    (b"Invalid username", "an error message of the hub"),
    (b"{", "a JSON document"),
)
#: Bits of an element.
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file; ``begin`` and ``end`` count from the file's first byte."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Unreadable(Exception):
    """A file that is none; carries what is to be said of it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _refuse(code: str, message: str) -> NoReturn:
    raise Unreadable(problem(code, message))


def open_regular(path: Path) -> int:
    """Open a regular file; a link, pipe, device or folder in its place raises Unreadable."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            _refuse("not_a_file", f"{path.name} is not a regular file but {_kind_of(path)}")
        descriptor = os.open(path, flags)
    except OSError as error:
        _refuse("unreadable", f"{path.name} cannot be opened: {error.strerror}")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        _refuse("not_a_file", f"{path.name} is not a regular file")
    return descriptor


def _kind_of(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"a link to {one_line(os.readlink(path))}"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a named pipe" if stat.S_ISFIFO(mode) else "a device or socket"


def read_small(path: Path, limit: int) -> bytes:
    """Return the bytes of a small file; raises Unreadable."""
    with os.fdopen(open_regular(path), "rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        _refuse("config_invalid", f"{path.name} is larger than {limit} bytes")
    return content


def read_header(path: Path) -> tuple[Tensor, ...]:
    """Return the tensors of a safetensors file; raises Unreadable with the first thing wrong."""
    with os.fdopen(open_regular(path), "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(64)
        length = struct.unpack("<Q", start[:8].ljust(8, b"\0"))[0]
        _check_start(path.name, start, size, length)
        if length > HEADER_LIMIT:
            _refuse(
                "header_too_large",
                f"{path.name} claims a header of {length} bytes; at most {HEADER_LIMIT} are read",
            )
        if length > size - 8:
            _refuse(
                "weights_truncated",
                f"{path.name} is damaged or cut short: its header alone has {length} bytes,"
                f" the file {size}",
            )
        stream.seek(8)
        header = _parse(path.name, stream.read(length))
    return _placed(path.name, header, 8 + length, size)


def _check_start(name: str, start: bytes, size: int, length: int) -> None:
    if size == 0:
        _refuse("file_empty", f"{name} is empty")
    if start.startswith(_LFS_MARK):
        _refuse("lfs_pointer", f"{name} is a Git LFS pointer, {size} bytes of text")
    # A sound file begins with a length, and that may look like another kind's mark.
    if length > min(HEADER_LIMIT, size - 8):
        for mark, kind in _MARKS:
            if start.lstrip(b" \r\n\t").lower().startswith(mark.lower()):
                _refuse("wrong_format", f"{name} is {kind}, not safetensors")
    if size < 10:
        _refuse("weights_truncated", f"{name} is damaged or cut short: {size} bytes")


def _parse(name: str, content: bytes) -> Mapping[str, Any]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("header_invalid", f"the header of {name} is not UTF-8: damaged, or another format")
    if not text.startswith("{"):
        _refuse("header_invalid", f"the header of {name} does not begin with a brace")
    try:
        header = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except _Repeated as error:
        _refuse("header_invalid", f"the header of {name} names {one_line(str(error))!r} twice")
    except (ValueError, RecursionError) as error:
        _refuse("header_invalid", f"the header of {name} is not valid JSON: {one_line(str(error))}")
    if not isinstance(header, dict):
        _refuse("header_invalid", f"the header of {name} is not an object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        _refuse("header_invalid", f"the __metadata__ of {name} does not map texts to texts")
    if len(header) > _TENSORS_LIMIT:
        _refuse("header_too_large", f"{name} names {len(header)} tensors")
    return header


class _Repeated(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Repeated(name)
            seen.add(name)
    return found


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number that JSON knows")


def _placed(name: str, header: Mapping[str, Any], start: int, size: int) -> tuple[Tensor, ...]:
    """Check that the tensors fill the rest of the file exactly, one after the other."""
    if not header:
        _refuse("no_tensors", f"{name} holds no tensors")
    tensors = [_tensor(name, title, entry, start) for title, entry in header.items()]
    place = start
    for tensor in sorted(tensors, key=lambda tensor: (tensor.begin, tensor.end)):
        if tensor.begin != place:
            what = "overlaps the one before" if tensor.begin < place else "leaves a hole before it"
            _refuse("tensor_invalid", f"{name}: {tensor.name} {what}")
        place = tensor.end
    if place > size:
        _refuse(
            "weights_truncated",
            f"{name} is damaged or cut short: {size} bytes of {place} that its header announces",
        )
    if place < size:
        _refuse(
            "weights_truncated",
            f"{name} is damaged: {size - place} bytes follow its last tensor",
        )
    return tuple(tensors)


def _tensor(file: str, name: str, entry: Any, start: int) -> Tensor:
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        _refuse("tensor_invalid", f"{file}: the entry of {name} has not dtype, shape and offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        _refuse("tensor_invalid", f"{file}: {name} has the unknown type {dtype!r:.60}")
    if not _are_sizes(shape) or math.prod(shape) > _ELEMENTS_LIMIT:
        _refuse("tensor_invalid", f"{file}: {name} has the shape {shape!r:.60}")
    if not _are_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        _refuse("tensor_invalid", f"{file}: {name} has the offsets {offsets!r:.60}")
    if (offsets[1] - offsets[0]) * 8 != math.prod(shape) * BITS[dtype]:
        _refuse(
            "tensor_invalid",
            f"{file}: {name} takes {offsets[1] - offsets[0]} bytes,"
            f" which {dtype} of shape {list(shape)!r:.60} does not",
        )
    return Tensor(name, dtype, tuple(shape), start + offsets[0], start + offsets[1])


def _are_sizes(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= 16
        and all(isinstance(v, int) and not isinstance(v, bool) and 0 <= v < 1 << 60 for v in values)
    )
