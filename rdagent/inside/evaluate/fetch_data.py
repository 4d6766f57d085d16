"""Fetch the data of tasks: ``python -m rdagent.inside.evaluate.fetch_data OUT TASK...``.

The only job with a network.  lm_eval loads each task as it always does; what it asks
``datasets`` for is kept, split by split, in the shape that ``local_data`` serves later.
So the library that will evaluate decides what a task's data are.
"""

from __future__ import annotations

import hashlib
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.errors import RDAgentError
from rdagent.files import atomic
from rdagent.files.printable import one_line
from rdagent.inside.evaluate import failures
from rdagent.records.benchmarks import (
    MANIFEST_FILE,
    DataSet,
    DataSource,
    Split,
    file_name,
    source_of,
)
from rdagent.records.events import now
from rdagent.records.reasons import Reason
from rdagent.records.status import InsideStatus, PartStatus

FOLDER = "benchmarks"


@dataclass(slots=True)
class Keeper:
    """Keeps every data set that is loaded for a task."""

    folder: Path
    task: str = ""
    kept: dict[DataSource, DataSet] = field(default_factory=dict)
    #: Every data set that was asked for, as often as it was.
    asked: list[DataSource] = field(default_factory=list)

    def keep(self, source: DataSource, splits: Any, revision: str) -> None:
        """Write a data set's splits, and its manifest last."""
        place = self.folder / source.folder
        place.mkdir(parents=True, exist_ok=True)
        rows = {str(name): _write(place, str(name), split) for name, split in splits.items()}
        data_set = DataSet(source, "hub", rows, self.task, now(), revision)
        atomic.write_json(place / MANIFEST_FILE, data_set.to_json())
        self.kept[source] = data_set
        told = ", ".join(f"{name} {row.rows}" for name, row in rows.items())
        print(f"fetch: {source.said}: {told}", file=sys.stderr, flush=True)


def _write(place: Path, name: str, split: Any) -> Split:
    path = place / file_name(name, "parquet")
    split.to_parquet(str(path))
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Split(
        file=path.name,
        format="parquet",
        bytes=path.stat().st_size,
        sha256=digest,
        rows=split.num_rows,
        columns=tuple(map(str, split.column_names)),
        origin=os.environ.get("HF_ENDPOINT", ""),
    )


def _revision(source: DataSource) -> str:
    """Return the commit that the hub has now; loading says it itself when there is none."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    if not source.is_hub_name:
        return ""
    try:
        return str(HfApi().dataset_info(source.path, revision=source.options.get("revision")).sha)
    except (HfHubHTTPError, OSError):
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch; a task whose data cannot be had does not keep the others from theirs."""
    out, *tasks = sys.argv[1:] if arguments is None else arguments
    keeper = Keeper(Path(out) / FOLDER)
    parts = fetch(tasks, keeper)
    failed = [part for part in parts if part.reason != "ok"]
    reason: Reason = failed[0].reason if failed else "ok"
    if failed and len(failed) < len(parts):
        reason = "incomplete"
    message = failed[0].message if failed else f"{len(keeper.kept)} data sets"
    InsideStatus(reason, message, tuple(parts)).write(Path(out))
    return 0 if reason == "ok" else 1


def fetch(tasks: Sequence[str], keeper: Keeper) -> list[PartStatus]:
    """Load every task with a hub behind it, and keep what was loaded."""
    import datasets
    from lm_eval.tasks import TaskManager

    original = datasets.load_dataset

    def load(path: Any, name: Any = None, *rest: Any, **options: Any) -> Any:
        wanted = options.pop("split", None)
        options.pop("streaming", None)
        source = source_of(path, name, options)
        keeper.asked.append(source)
        new = source.is_remote and source not in keeper.kept
        revision = _revision(source) if new else ""
        splits = original(path, name, *rest, **options)
        if new:
            keeper.keep(source, splits, revision)
        return splits if wanted is None else splits[str(wanted)]

    manager = TaskManager()
    datasets.load_dataset = load
    try:
        return [_fetch_one(manager, name, keeper) for name in tasks]
    finally:
        datasets.load_dataset = original


def _fetch_one(manager: Any, name: str, keeper: Keeper) -> PartStatus:
    keeper.task = name
    before = len(keeper.asked)
    try:
        manager.load([name])
    except RDAgentError as error:
        return PartStatus(name, failures.reason_of(error), error.message)
    except Exception as error:
        if failures.is_memory(error):
            raise
        traceback.print_exc()
        return PartStatus(name, _reason(error), f"{name}: {_told(error)}")
    if len(keeper.asked) == before:
        return PartStatus(name, "refused", f"{name} asks for no data set of a hub")
    return PartStatus(name, "ok")


def _reason(error: Exception) -> Reason:
    reason = failures.reason_of(error)
    missing = type(error).__name__ in ("DatasetNotFoundError", "GatedRepoError")
    return "refused" if missing else reason


def _told(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}", 300)


if __name__ == "__main__":
    sys.exit(main())
