"""``benchmarks add``: make a built-in task run on files that the user has.

Files become splits of the data set that the task asks the hub for, so every task on that
data set runs on them, with lm_eval's own prompts, filters and metrics.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, cast

from rdagent.errors import RefusedError, ResultError
from rdagent.evaluation.benchmark_needs import option_of
from rdagent.evaluation.benchmarks import find, published, write_manifest
from rdagent.evaluation.catalogue import Entry
from rdagent.evaluation.tasks import resolve_tasks
from rdagent.files import atomic, untrusted
from rdagent.files.digests import file_digest
from rdagent.records.benchmarks import DataSet, DataSource, Split, TaskNeeds, file_name
from rdagent.records.events import now

#: Endings that are read, and what the file is kept as.
_KEPT_AS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv"}
_KEPT_AS |= {".parquet": "parquet"}
_PARQUET_MARK = b"PAR1"
_COLUMNS_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class AddRequest:
    """Files for a task, by the role (test, validation, train) or by the split's own name."""

    task: str
    roles: Mapping[str, Path]
    splits: Mapping[str, Path]
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """A data set that is now here."""

    task: str
    folder: Path
    data_set: DataSet
    notes: tuple[str, ...]


def add(request: AddRequest, folder: Path) -> Added:
    """Copy files into the benchmarks folder; raises RefusedError and changes nothing otherwise."""
    entry, notes = task_of(request.task)
    needs = entry.needs
    if needs is None or needs.source is None:
        raise RefusedError(
            f"{entry.name} gets its data by code of its own, which files cannot replace",
            hint=f"Try, with a network: rdagent benchmarks fetch {shlex.quote(entry.name)}",
        )
    files = _by_split(entry.name, needs, request)
    if not files:
        raise RefusedError(f"no file is given for {entry.name}", hint=_wanted(entry.name, needs))
    return _publish(request, entry.name, needs, files, folder, notes)


def task_of(name: str) -> tuple[Entry, tuple[str, ...]]:
    """Return the one built-in task that a name means; a group or a tag is several."""
    resolved = resolve_tasks([name])
    parts = [entry for entries in resolved.parts.values() for entry in entries]
    if len(parts) != 1:
        raise RefusedError(
            f"{name} stands for {len(parts)} tasks, each with data of its own",
            hint=f"Add files to one of them, such as {parts[0].name}; or get all of them,"
            f" with a network: rdagent benchmarks fetch {shlex.quote(name)}",
        )
    return parts[0], resolved.notes


def _by_split(task: str, needs: TaskNeeds, request: AddRequest) -> dict[str, Path]:
    files = dict(request.splits)
    for role, path in request.roles.items():
        name = needs.roles.get(role) or (role if role == needs.examples else None)
        if name is None:
            raise RefusedError(f"{task} has no {role} split", hint=_wanted(task, needs))
        files[name] = path
    return files


def _wanted(task: str, needs: TaskNeeds) -> str:
    told = [f"It is scored on the split {needs.scored!r}"]
    if needs.examples and needs.examples != needs.scored:
        count = f"{needs.shots} examples" if needs.shots else "examples, if any,"
        told.append(f"draws {count} from {needs.examples!r}")
    options = " ".join(f"{option_of(needs, split)} FILE" for split in needs.splits(1))
    return f"{' and '.join(told)}:\nrdagent benchmarks add {shlex.quote(task)} {options}"


def _publish(
    request: AddRequest,
    task: str,
    needs: TaskNeeds,
    files: Mapping[str, Path],
    folder: Path,
    notes: tuple[str, ...],
) -> Added:
    source = needs.source
    assert source is not None  # noqa: S101 - refused by the caller
    with published(folder, source) as place:
        splits = {name: _copy(path, place, name) for name, path in files.items()}
        before = find(folder, source)
        if before is not None and not request.replace:
            _refuse_change(source, before, splits, folder)
        if before is not None and before.origin == "files":
            for name, split in before.splits.items():
                if name not in splits:
                    shutil.copyfile(folder / source.folder / split.file, place / split.file)
            splits = {**before.splits, **splits}
        data_set = DataSet(source, "files", splits, task, now())
        write_manifest(place, data_set)
    lacking = [split for split in needs.splits(None) if split not in splits]
    if lacking:
        notes = (*notes, f"still lacking: {', '.join(lacking)}. {_wanted(task, needs)}")
    return Added(task, folder / source.folder, data_set, notes)


def _refuse_change(
    source: DataSource, before: DataSet, splits: Mapping[str, Split], folder: Path
) -> None:
    """Refuse to put other data in the place of those that are here, unless asked to."""
    for name, split in splits.items():
        old = before.splits.get(name)
        if before.origin != "files" or (old and old.sha256 != split.sha256):
            raise RefusedError(
                f"other data of {source.said} are already in {folder / source.folder}",
                hint="Give --replace to put these in their place.",
            )


def _copy(path: Path, place: Path, split: str) -> Split:
    """Copy one file into the data set, read it through, and tell what it holds."""
    if not path.is_file():
        raise RefusedError(f"the file {path} is not there", hint="Give an existing data file.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    ending = (
        suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else (suffixes or [""])[-1]
    )
    form = _KEPT_AS.get(ending)
    if form is None:
        raise RefusedError(
            f"{path} has no ending that is read",
            hint="Files end in .jsonl, .json, .csv (each also with .gz) or .parquet.",
        )
    target = place / file_name(split, form)
    try:
        with _opened(path) as stream:
            found = _WRITERS[ending](stream, target, path)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise RefusedError(f"{path} cannot be read: {error}") from error
    if found.rows == 0:
        raise RefusedError(f"{path} holds no row", hint="Give a file with at least one item.")
    size, digest = target.stat().st_size, file_digest(target)
    return replace(found, bytes=size, sha256=digest, origin=str(path.absolute()))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if path.suffix.lower() == ".gz":
        with path.open("rb") as packed, gzip.GzipFile(fileobj=packed) as unpacked:
            yield cast("IO[bytes]", unpacked)
    else:
        with path.open("rb") as plain:
            yield plain


def _json_lines(stream: IO[bytes], target: Path, path: Path) -> Split:
    rows, columns = 0, dict[str, None]()
    with atomic.replaced(target) as sink:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            _note_columns(columns, _object(line, f"{path}, line {number}"))
            rows += 1
            sink.write(line if line.endswith(b"\n") else line + b"\n")
    return _split(target, "jsonl", rows, tuple(columns))


def _json_list(stream: IO[bytes], target: Path, path: Path) -> Split:
    """Keep a JSON list of objects as lines; a file of lines that ends in .json is one too."""
    content = stream.read(untrusted.JSON_LIMIT + 1)
    if len(content) > untrusted.JSON_LIMIT:
        raise RefusedError(f"{path} is too large for one JSON list", hint="Give it as .jsonl.")
    if not content.lstrip().startswith(b"["):
        return _json_lines(io.BytesIO(content), target, path)
    items = _parsed(content, str(path))
    columns = dict[str, None]()
    with atomic.replaced(target) as sink:
        for number, item in enumerate(items, start=1):
            _note_columns(columns, _mapping(item, f"{path}, item {number}"))
            sink.write(json.dumps(item, ensure_ascii=False).encode("utf-8") + b"\n")
    return _split(target, "jsonl", len(items), tuple(columns))


def _csv(stream: IO[bytes], target: Path, path: Path) -> Split:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    header = next(reader, [])
    rows = 0
    with atomic.replaced(target) as sink:
        out = io.TextIOWrapper(sink, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(out)
        writer.writerow(header)
        for row in reader:
            if len(row) != len(header):
                raise RefusedError(
                    f"{path}, line {reader.line_num}: {len(row)} cells under {len(header)} names"
                )
            writer.writerow(row)
            rows += 1
        out.detach()
    text.detach()
    return _split(target, "csv", rows, tuple(header))


def _parquet(stream: IO[bytes], target: Path, path: Path) -> Split:
    """Copy as it is: what it holds is read in the image."""
    with atomic.replaced(target) as sink:
        shutil.copyfileobj(stream, sink, 1 << 20)
    with target.open("rb") as copied:
        head = copied.read(4)
        copied.seek(-4, io.SEEK_END) if target.stat().st_size > 8 else None
        if head != _PARQUET_MARK or copied.read(4) != _PARQUET_MARK:
            raise RefusedError(f"{path} is not a whole parquet file")
    return _split(target, "parquet", None, ())


_WRITERS = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_list,
    ".csv": _csv,
    ".parquet": _parquet,
}


def _split(target: Path, form: str, rows: int | None, columns: tuple[str, ...]) -> Split:
    return Split(target.name, form, 0, "", rows, columns)


def _object(line: bytes, where: str) -> Mapping[str, object]:
    return _mapping(_parsed(line, where), where)


def _parsed(content: bytes, where: str) -> list[object]:
    try:
        parsed: list[object] = untrusted.parse_json(content, where)
    except ResultError as error:
        raise RefusedError(error.message) from error
    return parsed


def _mapping(item: object, where: str) -> Mapping[str, object]:
    if not isinstance(item, dict):
        raise RefusedError(f"{where} is not a JSON object", hint="One object a row, with columns.")
    return item


def _note_columns(columns: dict[str, None], row: Mapping[str, object]) -> None:
    columns.update(dict.fromkeys(row))
    if len(columns) > _COLUMNS_LIMIT:
        raise RefusedError(f"the rows have over {_COLUMNS_LIMIT} different columns")
