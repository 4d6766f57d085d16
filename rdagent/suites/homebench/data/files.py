"""A data folder: which files it has, by HomeBench's names, and what is in them.

A split is one file, ``test_data.jsonl``, or numbered parts, ``train_data_part1.jsonl``
and so on.  Nothing else in the folder is looked at.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdagent.errors import UsageError
from rdagent.suites.homebench.data.homes import Home, read_homes
from rdagent.suites.homebench.data.records import Record, read_records

SPLITS = ("train", "valid", "test")
HOMES_FILE = "home_status_method.jsonl"
DEFAULT_FOLDER = Path("dataset")
_GET = "'rdagent homebench data fetch' gets the released data, 'data generate' makes some."
_CHUNK = 1 << 20

#: Git's names of the released files: what they are known by, wherever they come from.
RELEASED: Mapping[str, str] = {
    "home_status_method.jsonl": "5c61266f1f7e1facac69414afa2d8833ec87b6ab",
    "test_data.jsonl": "19cc48175e684cd2c85ce544b10134ce61ee5696",
    "valid_data.jsonl": "4163539a470eeb47d473180de2fbf6b3d8dff26d",
    "train_data_part1.jsonl": "9f89c157b0ac646e44cfcb53be6f51d3c69813f4",
    "train_data_part2.jsonl": "168ba9437210d06234f41346fb91f0a1cf0a2aaf",
}


@dataclass(frozen=True, slots=True)
class Data:
    """What a folder holds, of the splits that were asked for and are there."""

    homes: Mapping[int, Home]
    splits: Mapping[str, tuple[Record, ...]]


def split_files(folder: Path, split: str) -> tuple[Path, ...]:
    """Return the files of a split in their order; nothing when it is not there."""
    whole = folder / f"{split}_data.jsonl"
    parts = {}
    for path in folder.glob(f"{split}_data_part*.jsonl"):
        found = re.fullmatch(rf"{split}_data_part([1-9]\d*)\.jsonl", path.name, re.ASCII)
        if found:
            parts[int(found[1])] = path
    if whole.exists() and parts:
        raise UsageError(
            f"{folder} has {whole.name} and {parts[min(parts)].name}",
            hint="Leave one file, or its parts; both would count records twice.",
        )
    lacking = [number for number in range(1, len(parts) + 1) if number not in parts]
    if lacking:
        raise UsageError(
            f"{folder} has {len(parts)} parts of {split}_data, but not part {lacking[0]}",
            hint="Parts are numbered from 1 without a gap.",
        )
    return tuple(parts[number] for number in sorted(parts)) or ((whole,) if whole.exists() else ())


def read_split(folder: Path, split: str) -> tuple[Record, ...]:
    """Return the records of a split; raises UsageError when the folder has none."""
    files = split_files(folder, split)
    if not files:
        raise UsageError(f"{folder} has no {split}_data.jsonl", hint=_GET)
    return read_records(*files)


def read_data(folder: Path, splits: Sequence[str] = SPLITS) -> Data:
    """Return the homes and those of ``splits`` that are there; raises UsageError for none."""
    homes = folder / HOMES_FILE
    if not homes.exists():
        raise UsageError(f"{folder} has no {HOMES_FILE}", hint=_GET)
    found = {split: files for split in splits if (files := split_files(folder, split))}
    if not found:
        names = ", ".join(f"{split}_data.jsonl" for split in splits)
        raise UsageError(f"{folder} has none of {names}", hint=_GET)
    read = {split: read_records(*files) for split, files in found.items()}
    return Data(read_homes(homes), read)


def blob_id(content: bytes | bytearray) -> str:
    """Return the name that git has for a content."""
    digest = hashlib.sha1(f"blob {len(content)}\0".encode(), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


def file_blob_id(path: Path) -> str:
    """Return the name that git has for a file's content."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_released(path: Path) -> bool:
    """Whether a file is, byte for byte, the released one of its name."""
    return path.name in RELEASED and file_blob_id(path) == RELEASED[path.name]
