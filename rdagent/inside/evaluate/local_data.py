"""Data of the benchmarks folder in place of the hub's, while tasks are loaded.

``in_place_of_the_hub`` answers ``datasets.load_dataset`` for every data set that lies in
the folder, whoever asks: lm_eval itself or a task's own code.  The task's configuration
stays lm_eval's.  Used by ``selection``; ``fetch_data`` fills such a folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets

from rdagent.errors import JobFailed, ResultError
from rdagent.records.benchmarks import MANIFEST_FILE, DataSet, DataSource, Split, source_of

#: Set by the job; a plain ``docker run`` has the folder at the second.
VARIABLE, USUAL_PLACE = "RDAGENT_BENCHMARKS", "/workspace/benchmarks"


def benchmarks_folder(variables: Mapping[str, str]) -> Path:
    """Return where data lie."""
    return Path(variables.get(VARIABLE) or USUAL_PLACE)


@dataclass(slots=True)
class Served:
    """What was asked for and served while tasks were loaded."""

    data_sets: dict[DataSource, DataSet] = field(default_factory=dict)
    #: Splits that a data set lacks and that something asked for.
    lacking: set[tuple[DataSource, str]] = field(default_factory=set)


class _Splits(datasets.DatasetDict):
    """The splits that are here; one that is not is empty, and that it was asked for is kept.

    lm_eval opens the split of the examples even when it will draw none from it.
    """

    served: Served
    source: DataSource

    def __missing__(self, name: str) -> Any:
        self.served.lacking.add((self.source, str(name)))
        some = next(iter(self.values()))
        return some.select(range(0))


@contextmanager
def in_place_of_the_hub(folder: Path) -> Iterator[Served]:
    """Serve the folder's data sets to ``datasets.load_dataset`` inside the block."""
    served = Served()
    original = datasets.load_dataset

    def load(path: Any, name: Any = None, *rest: Any, **options: Any) -> Any:
        source = source_of(path, name, options)
        place = folder / source.folder
        if rest or not (place / MANIFEST_FILE).is_file():
            return original(path, name, *rest, **options)
        splits = _open(place, source, served)
        wanted = options.get("split")
        return splits if wanted is None else splits[str(wanted)]

    datasets.load_dataset = load
    try:
        yield served
    finally:
        datasets.load_dataset = original


def _open(place: Path, source: DataSource, served: Served) -> _Splits:
    manifest = json.loads((place / MANIFEST_FILE).read_text("utf-8"))
    data_set = DataSet.from_json(manifest, f"{source.folder}/{MANIFEST_FILE}")
    splits = _Splits({name: _read(place, split) for name, split in data_set.splits.items()})
    splits.served, splits.source = served, source
    served.data_sets[source] = data_set
    return splits


def _read(place: Path, split: Split) -> Any:
    path = place / split.file
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != split.sha256:
        raise JobFailed(
            f"{path} is not the file that its manifest names",
            reason="refused",
            exit_code=2,
            hint="add or fetch the data again",
        )
    if split.format == "jsonl":
        return datasets.Dataset.from_dict(columns_of(path))
    if split.format == "parquet":
        from pyarrow import parquet

        # The types of ``datasets`` are in the file's own words; nothing is kept on disk.
        return datasets.Dataset(parquet.read_table(path))
    import pandas

    return datasets.Dataset.from_pandas(pandas.read_csv(path), preserve_index=False)


def columns_of(path: Path) -> dict[str, list[Any]]:
    """Read lines of JSON objects as columns.

    ``datasets`` itself would turn texts that look like dates into dates, and its
    ``from_list`` drops what the first row lacks: prompts would silently differ.
    """
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ResultError(f"{path.name}: a line is not a JSON object")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
