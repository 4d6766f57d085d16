"""Find the data sets that a configuration names, before anything starts.

A job sees the workspace and, as a second mount, the folder of shared data sets;
data anywhere else, or behind a link that leads there, does not exist for it.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import RefusedError
from rdagent.training.columns import INFO_FILE, reading_of
from rdagent.training.config import TrainingConfig
from rdagent.training.rows import RowReport, look_at, overlap

INFO_LIMIT = 16 << 20
#: Where LLaMA-Factory looks when the configuration does not say.
DEFAULT_FOLDER = "data"
FILE_TYPES = (".arrow", ".csv", ".json", ".jsonl", ".parquet", ".txt")
WORKSPACE, DATASETS = "workspace", "datasets"
_ELSEWHERE = ("hf_hub_url", "ms_hub_url", "om_hub_url", "cloud_file_name", "script_url")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that a job sees as the mount ``mount``."""

    mount: str
    root: Path


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The folder that holds ``dataset_info.json``, and the files that are used from it."""

    place: Place
    folder: Path
    files: tuple[Path, ...] = ()
    #: What does not stop a training and should be known.
    notes: tuple[str, ...] = ()
    #: Bytes of the longest row, None where not every row was read.
    longest_row: int | None = None

    @property
    def inside(self) -> str:
        """The folder as a job's words say it."""
        rest = self.folder.relative_to(self.place.root).as_posix()
        return f"{{mount:{self.place.mount}}}" + ("" if rest == "." else f"/{rest}")


def find_datasets(config: TrainingConfig, shared: Path | None = None) -> DataFolder:
    """Return where the data lies; ``shared`` is the folder of data sets beside workspaces.

    Raises RefusedError with the path when a description or a file is missing, and
    when the data cannot be used: from a network, outside, empty, or with no answers.
    """
    found = _data_folder(config, shared)
    info = _read_info(found.folder / INFO_FILE)
    files: list[Path] = []
    reports: dict[str, RowReport] = {}
    for name in config.all_datasets:
        entry = _entry(info, name, found.folder / INFO_FILE)
        reading = reading_of(name, entry, config.stage)
        mine = _files(found, entry, name)
        reports[name] = look_at(reading, mine, config.stage)
        files += mine
    return DataFolder(
        found.place,
        found.folder,
        tuple(files),
        tuple(_notes(config, reports)),
        _longest(reports.values()),
    )


def _notes(config: TrainingConfig, reports: Mapping[str, RowReport]) -> Iterator[str]:
    for report in reports.values():
        yield from report.notes()
    for held_out in config.eval_datasets:
        for name in config.datasets:
            same = overlap(reports[name], reports[held_out])
            if name == held_out or same:
                yield (
                    f"{same} rows of {held_out}, which is to evaluate with, stand in the training"
                    f" data {name} too: what is measured on them is memory"
                )


def _longest(reports: Iterable[RowReport]) -> int | None:
    found = list(reports)
    if any(report.unread for report in found):
        return None
    return max((report.longest for report in found), default=None)


def _data_folder(config: TrainingConfig, shared: Path | None) -> DataFolder:
    looked: list[str] = []
    for place, folder in _candidates(config, shared):
        if (folder / INFO_FILE).is_file():
            _refuse_outside(folder / INFO_FILE, place, INFO_FILE)
            return DataFolder(place, folder)
        looked.append(str(folder / INFO_FILE))
    places = ", ".join(looked) or f"no place: dataset_dir is {config.dataset_dir}"
    raise RefusedError(
        f"{INFO_FILE} is missing; looked at {places}",
        hint="Put it into the workspace and name its folder as dataset_dir, relative to the "
        "workspace ('.' for the workspace itself).",
    )


def _candidates(config: TrainingConfig, shared: Path | None) -> Iterator[tuple[Place, Path]]:
    places = [Place(WORKSPACE, config.workspace)]
    places += [Place(DATASETS, shared.absolute())] if shared else []
    given = config.dataset_dir
    if given and (given == "ONLINE" or given.startswith("REMOTE:")):
        raise RefusedError(
            f"dataset_dir is {given}: a training job has no network",
            hint="Get the data first and name its folder.",
        )
    for name in (given,) if given else (DEFAULT_FOLDER, "."):
        for place in places:
            folder = Path(os.path.normpath(place.root / name))
            if folder.is_relative_to(place.root):
                yield place, folder


def _read_info(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > INFO_LIMIT:
            raise RefusedError(f"{path} is larger than {INFO_LIMIT} bytes")
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RefusedError(f"{path} cannot be read: {error}", hint="Correct it.") from error
    if not isinstance(document, dict):
        raise RefusedError(f"{path} is not a JSON object", hint='Write {"NAME": {...}, ...}.')
    return document


def _entry(info: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    entry = info.get(name)
    if isinstance(entry, dict):
        return entry
    near = difflib.get_close_matches(name, list(info), n=3)
    known = ", ".join(near or sorted(info)[:10]) or "none"
    raise RefusedError(
        f"the data set {name} is not described in {path}",
        hint=f"{'Did you mean' if near else 'It describes'}: {known}.",
    )


def _files(found: DataFolder, entry: Mapping[str, Any], name: str) -> list[Path]:
    for key in _ELSEWHERE:
        if key in entry:
            raise RefusedError(
                f"the data set {name} comes from {key}: a training job has no network and "
                "runs no loading script",
                hint=f"Save it as a file beside {INFO_FILE} and name it as file_name.",
            )
    file_name = entry.get("file_name")
    if not isinstance(file_name, str) or not file_name:
        raise RefusedError(f"the data set {name} has no file_name in {found.folder / INFO_FILE}")
    path = Path(os.path.normpath(found.folder / file_name))
    _refuse_outside(path, found.place, f"the data set {name}")
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    for file in files or [path]:
        _check_file(file, found.place, name)
    return files


def _check_file(path: Path, place: Place, name: str) -> None:
    if not path.is_file():
        raise RefusedError(
            f"the file of the data set {name} is missing: {path}",
            hint=f"Put it there, or correct file_name in {INFO_FILE}.",
        )
    _refuse_outside(path, place, f"the data set {name}")
    if path.suffix not in FILE_TYPES:
        raise RefusedError(f"{path} is of no type that is read: {', '.join(FILE_TYPES)}")
    if not path.stat().st_size:
        raise RefusedError(f"the file of the data set {name} is empty: {path}")


def _refuse_outside(path: Path, place: Place, what: str) -> None:
    hint = f"Copy it into {place.root}."
    if not path.is_relative_to(place.root):
        raise RefusedError(f"{what} lies outside {place.root}: {path}", hint=hint)
    if not path.resolve().is_relative_to(place.root.resolve()):
        raise RefusedError(
            f"{what} is a link out of {place.root}: {path}",
            hint=f"A job sees that folder only. {hint}",
        )
    for part in (path, *path.parents):
        if part == place.root:
            break
        if part.is_symlink() and os.path.isabs(os.readlink(part)):
            raise RefusedError(
                f"{what} is behind a link with an absolute path: {part}",
                hint=f"A job sees the folder under another path. Make the link relative. {hint}",
            )
