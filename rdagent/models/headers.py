"""What a ``safetensors`` file says of itself: read from its first bytes, the rest only measured."""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER_LIMIT = 100 << 20
LFS_MARK = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Header:
    """Names of tensors, and how many numbers of each type they hold."""

    names: frozenset[str]
    parameters: Mapping[str, int]


def read_header(path: Path) -> Header:
    """Read a file's header; raises ValueError in a reader's words when the file is not whole."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(len(LFS_MARK))
        if start == LFS_MARK:
            raise ValueError("it is a Git LFS pointer, not the file itself")
        length = struct.unpack("<Q", start[:8])[0] if len(start) >= 8 else 0
        if not 2 <= length <= min(HEADER_LIMIT, size - 8):
            raise ValueError(f"it is damaged or cut short ({size} bytes)")
        stream.seek(8)
        tensors = _tensors(stream.read(length))
    try:
        end = max((int(tensor["data_offsets"][1]) for tensor in tensors.values()), default=0)
        found = Counter[str]()
        for tensor in tensors.values():
            found[str(tensor["dtype"])] += math.prod(tensor["shape"])
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ValueError("its header does not describe tensors") from error
    if 8 + length + end != size:
        raise ValueError(f"it is cut short or too long: {size} bytes, {8 + length + end} described")
    return Header(frozenset(tensors), dict(found))


def _tensors(content: bytes) -> dict[str, Any]:
    try:
        header = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError("its header is not JSON") from error
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object")
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}
