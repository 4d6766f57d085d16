"""The benchmarks folder: one folder a data set, each with its manifest.

Looked up by ``benchmark_needs`` before a job starts; filled by ``benchmarks_add`` and
``benchmarks_fetch``, which publish a data set whole or not at all.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rdagent.core.settings import PathSettings, cache_root, finetune_settings, load
from rdagent.errors import RefusedError, ResultError
from rdagent.files import atomic, untrusted
from rdagent.files.locks import file_lock
from rdagent.models.digest import FileSums
from rdagent.records.benchmarks import MANIFEST_FILE, DataSet, DataSource

_MANIFEST_LIMIT = 16 << 20


def data_folder() -> Path:
    """Return where benchmark data lie."""
    settings = load(PathSettings)
    return (settings.hf_datasets_cache or finetune_settings().file_path / "benchmarks").expanduser()


def find(folder: Path, source: DataSource) -> DataSet | None:
    """Return the data set of a source, if it is here."""
    return read(folder / source.folder)


def read(place: Path) -> DataSet | None:
    """Read one data set's manifest; None when there is none."""
    path = place / MANIFEST_FILE
    if not path.is_file():
        return None
    try:
        return DataSet.from_json(untrusted.read_json(path, _MANIFEST_LIMIT), str(path))
    except ResultError as error:
        raise RefusedError(
            f"the data in {place} are not usable: {error.message}",
            hint=f"Remove {place} and add or fetch them again.",
        ) from error


def all_of(folder: Path) -> Iterator[tuple[Path, DataSet]]:
    """Yield every data set with its folder, in the order of their names."""
    for manifest in sorted(folder.glob(f"*/*/{MANIFEST_FILE}")):
        data_set = read(manifest.parent)
        if data_set is not None and not manifest.parent.name.startswith("."):
            yield manifest.parent, data_set


def damage(place: Path, data_set: DataSet) -> str | None:
    """Return what is wrong with a data set's files, or None.

    Contents are summed once and again only when a file's time or size changed.
    """
    sums = FileSums(cache_root() / "digests.json")
    for name, split in data_set.splits.items():
        path = place / split.file
        if not path.is_file():
            return f"the file of its split {name!r}, {path}, is missing"
        if path.stat().st_size != split.bytes or sums.of(path) != split.sha256:
            return f"the file of its split {name!r}, {path}, is not the one that was added"
    sums.save()
    return None


@contextmanager
def published(folder: Path, source: DataSource) -> Iterator[Path]:
    """Give a folder that becomes the data set's when the block ends well; else nothing stays."""
    target = folder / source.folder
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    with file_lock(folder / ".lock"):
        try:
            partial.mkdir()
            yield partial
            _swap(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _swap(partial: Path, target: Path) -> None:
    if not target.exists():
        os.replace(partial, target)
        return
    old = partial.with_name(f"{partial.name}.old")
    os.replace(target, old)
    os.replace(partial, target)
    shutil.rmtree(old)


def write_manifest(place: Path, data_set: DataSet) -> None:
    """Write a data set's manifest."""
    atomic.write_json(place / MANIFEST_FILE, data_set.to_json())
