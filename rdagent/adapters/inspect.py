"""Read a LoRA folder and say, before anything starts, whether it can be evaluated.

Only the configuration and the header of the weights are read.  The checks that
need shapes or values of tensors are not here.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import AdapterInvalid, ResultError
from rdagent.files import untrusted

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
PICKLED_FILE = "adapter_model.bin"
#: The sentence that users of the first version know.
PREFIX = "Adapter validation failed"

_HEADER_LIMIT = 100 << 20
_WEIGHTS_LIMIT = 64 << 30
_LFS_MARK = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA folder whose configuration and header could be read."""

    path: Path
    rank: int
    base_model: str | None
    config: Mapping[str, Any]
    tensors: tuple[str, ...]


def inspect_adapter(path: Path) -> Adapter:
    """Return what the folder holds; raises AdapterInvalid with what is wrong and what to do."""
    if not path.is_dir():
        raise _invalid(
            "No adapter weight file",
            f"{path} does not exist",
            "Train first, or give the folder that the training wrote to.",
        )
    names = {entry.name for entry in path.iterdir()}
    if WEIGHTS_FILE not in names:
        raise _without_weights(path, names)
    if CONFIG_FILE not in names:
        raise _invalid(
            f"No {CONFIG_FILE}", f"{path} has weights only", "Copy it from the training's output."
        )
    config = _read_config(path / CONFIG_FILE)
    tensors = _read_header(path / WEIGHTS_FILE)
    base = config.get("base_model_name_or_path")
    return Adapter(
        path=path.absolute(),
        rank=_rank(config),
        base_model=base if isinstance(base, str) and base else None,
        config=config,
        tensors=tuple(sorted(tensors)),
    )


def _invalid(what: str, seen: str, do: str) -> AdapterInvalid:
    return AdapterInvalid(f"{PREFIX}: {what} ({seen})", hint=do)


def _without_weights(path: Path, names: set[str]) -> AdapterInvalid:
    if PICKLED_FILE in names:
        return _invalid(
            f"{PICKLED_FILE} is a pickle, which may run code",
            str(path),
            "Save the adapter with safe_serialization=True; only safetensors are read.",
        )
    if any(name.startswith("model") and name.endswith(".safetensors") for name in names):
        return _invalid(
            "No adapter weight file",
            f"{path} looks like a full model",
            "Evaluate a full model as the base: --base-model.",
        )
    seen = f"{path} is empty" if not names else f"{path} has no {WEIGHTS_FILE}"
    return _invalid(
        "No adapter weight file",
        seen,
        "Check that the training finished, and that this is the folder it wrote to.",
    )


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        config = untrusted.read_json(path)
    except ResultError as error:
        raise _invalid(error.message, str(path), "Copy the file again from the training.") from None
    if not isinstance(config, dict):
        raise _invalid(f"{CONFIG_FILE} is not an object", str(path), "Copy it again.")
    kind = config.get("peft_type")
    if kind != "LORA":
        raise _invalid(f"peft_type is {kind!r}", str(path), "Only LoRA adapters can be evaluated.")
    return config


def _rank(config: Mapping[str, Any]) -> int:
    """Return the largest rank that a layer of the adapter has."""
    pattern = config.get("rank_pattern") or {}
    ranks = [config.get("r"), *(pattern.values() if isinstance(pattern, dict) else [])]
    numbers = [rank for rank in ranks if isinstance(rank, int) and not isinstance(rank, bool)]
    if not numbers or min(numbers) < 1:
        raise _invalid(f"rank {config.get('r')!r} is not a positive number", CONFIG_FILE, "")
    return max(numbers)


def _read_header(path: Path) -> Mapping[str, Any]:
    try:
        stream = os.fdopen(untrusted.open_untrusted(path, _WEIGHTS_LIMIT), "rb")
    except ResultError as error:
        raise _invalid(
            error.message, str(path), "Give a folder with the files themselves."
        ) from None
    with stream:
        size = os.fstat(stream.fileno()).st_size
        start = stream.read(max(8, len(_LFS_MARK)))
        if start.startswith(_LFS_MARK):
            raise _invalid(
                f"{WEIGHTS_FILE} is a Git LFS pointer", str(path), "Run 'git lfs pull' there."
            )
        length = struct.unpack("<Q", start[:8])[0] if len(start) >= 8 else 0
        if not 2 <= length <= min(_HEADER_LIMIT, size - 8):
            raise _cut_short(path, size)
        stream.seek(8)
        try:
            header = untrusted.parse_json(stream.read(length), WEIGHTS_FILE)
        except ResultError:
            raise _cut_short(path, size) from None
    if not isinstance(header, dict):
        raise _cut_short(path, size)
    tensors = {name: tensor for name, tensor in header.items() if name != "__metadata__"}
    if not tensors:
        raise _invalid(f"{WEIGHTS_FILE} holds no tensors", str(path), "Train again.")
    _check_extent(path, tensors, size - 8 - length)
    return tensors


def _check_extent(path: Path, tensors: Mapping[str, Any], room: int) -> None:
    try:
        end = max(int(tensor["data_offsets"][1]) for tensor in tensors.values())
    except (TypeError, KeyError, IndexError, ValueError, OverflowError):
        raise _cut_short(path, room) from None
    if end != room:
        raise _cut_short(path, path.stat().st_size)


def _cut_short(path: Path, size: int) -> AdapterInvalid:
    return _invalid(
        f"{WEIGHTS_FILE} is damaged or cut short",
        f"{path}, {size} bytes",
        "Copy or save it again; a full disk or a broken transfer leaves such a file.",
    )
