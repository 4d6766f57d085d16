"""Where a task's data come from, and how a set of them lies in the benchmarks folder.

Written by ``benchmarks add`` on the host and by ``fetch`` in the image; read by the host
before a job starts and by the image in place of the hub.  Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rdagent.errors import ResultError
from rdagent.records.fields import Fields

MANIFEST_FILE = "manifest.json"
SCHEMA = "rdagent.benchmark/1"
#: Data files that are read, by their ending.
FORMATS = ("jsonl", "csv", "parquet")
#: What says how data are read or kept, and not which data they are.
_NOT_WHICH = frozenset(
    [
        "trust_remote_code",
        "features",
        "verification_mode",
        "download_mode",
        "cache_dir",
        "streaming",
        "split",
        "num_proc",
        "keep_in_memory",
        "token",
    ]
)
#: Builders of ``datasets`` that read files of any origin.
_READERS = frozenset(
    ["json", "csv", "parquet", "text", "arrow", "pandas", "webdataset", "imagefolder"]
)
_HUB_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*(/[\w.-]+)?", re.ASCII)
_REMOTE = ("https://", "http://", "hf://")

Origin = Literal["files", "hub"]


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set as ``datasets.load_dataset`` is asked for it."""

    path: str
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def folder(self) -> str:
        """The folder of this very data set, under the benchmarks folder."""
        first = _plain(self.path)
        second = _plain(self.name or "default")
        exact = (first, second) == (self.path.replace("/", "--"), self.name or "default")
        if exact and not self.options:
            return f"{first}/{second}"
        return f"{first}/{second}-{self.digest[:8]}"

    @property
    def digest(self) -> str:
        """The digest of path, name and options."""
        told = json.dumps([self.path, self.name, dict(self.options)], sort_keys=True)
        return hashlib.sha256(told.encode("utf-8")).hexdigest()

    @property
    def said(self) -> str:
        """The data set in a reader's words."""
        files = self.options.get("data_files")
        shown = " ".join(part for part in (self.path, self.name) if part)
        return f"{shown} {json.dumps(files)}" if files else shown

    @property
    def is_remote(self) -> bool:
        """Whether it is fetched from somewhere: a hub's name, or addresses of files."""
        if self.path in _READERS:
            return any(text.startswith(_REMOTE) for text in _texts(self.options.get("data_files")))
        return self.is_hub_name

    @property
    def is_hub_name(self) -> bool:
        """Whether the path is a data set's name on a hub."""
        return self.path not in _READERS and _HUB_NAME.fullmatch(self.path) is not None


def source_of(path: Any, name: Any = None, options: Mapping[str, Any] | None = None) -> DataSource:
    """Return the source that a call of ``load_dataset`` means.

    No name and the name ``default`` are one; options that only say how data are read
    or kept do not count.
    """
    kept = {
        key: value
        for key, value in (options or {}).items()
        if key not in _NOT_WHICH and value is not None and _is_json(value)
    }
    told = "" if name in (None, "default") else str(name)
    return DataSource(str(path), told, dict(sorted(kept.items())))


@dataclass(frozen=True, slots=True)
class TaskNeeds:
    """What a task's configuration says of its data."""

    #: None: the task gets its data by code of its own, or names none.
    source: DataSource | None
    output_type: str = "generate_until"
    #: Split that is scored; empty when the configuration names none.
    scored: str = ""
    #: Split that examples are drawn from; empty when they are written in the task.
    examples: str = ""
    #: How many examples the task puts before each question; None: none, and may be changed.
    shots: int | None = None
    #: What the configuration calls test, validation and train.
    roles: Mapping[str, str] = field(default_factory=dict)

    def splits(self, shots: int | None) -> tuple[str, ...]:
        """Return the splits that are needed with this many examples (None: the task's own)."""
        wanted = [self.scored] if self.scored else []
        count = self.shots if shots is None or self.shots == 0 else shots
        if (count or 0) > 0 and self.examples and self.examples not in wanted:
            wanted.append(self.examples)
        return tuple(wanted)


def needs_of(config: Mapping[str, Any]) -> TaskNeeds:
    """Read a task's configuration, by lm_eval's own rules for splits."""
    path = config.get("dataset_path")
    by_code = "class" in config or config.get("custom_dataset") or not isinstance(path, str)
    options = config.get("dataset_kwargs")
    options = options if isinstance(options, dict) else {}
    roles = {
        role: str(config[key])
        for role, key in (
            ("test", "test_split"),
            ("validation", "validation_split"),
            ("train", "training_split"),
        )
        if config.get(key)
    }
    shots = config.get("num_fewshot")
    return TaskNeeds(
        source=None
        if by_code or not path
        else source_of(path, config.get("dataset_name"), options),
        output_type=str(config.get("output_type") or "generate_until"),
        scored=roles.get("test") or roles.get("validation") or "",
        examples=_example_split(config, roles),
        shots=shots if isinstance(shots, int) and not isinstance(shots, bool) else None,
        roles=roles,
    )


def _example_split(config: Mapping[str, Any], roles: Mapping[str, str]) -> str:
    fewshot = config.get("fewshot_config")
    fewshot = fewshot if isinstance(fewshot, dict) else {}
    split = fewshot.get("split") or config.get("fewshot_split")
    if split:
        return str(split)
    if fewshot.get("samples"):
        return ""
    return roles.get("train") or roles.get("validation") or roles.get("test") or ""


@dataclass(frozen=True, slots=True)
class Split:
    """One split of a data set: one file."""

    file: str
    format: str
    bytes: int
    sha256: str
    rows: int | None = None
    columns: tuple[str, ...] = ()
    #: The file it was copied from, or the address it came from.
    origin: str = ""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set that is here: what it stands for, and its files."""

    source: DataSource
    origin: Origin
    splits: Mapping[str, Split]
    #: The task that it was added or fetched for.
    task: str
    made: str
    #: The hub's commit, where it is known.
    revision: str = ""
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The digest of the data: of every split's name and content."""
        told = json.dumps(sorted((name, split.sha256) for name, split in self.splits.items()))
        return hashlib.sha256(told.encode("utf-8")).hexdigest()

    @property
    def bytes(self) -> int:
        """How large the files are together."""
        return sum(split.bytes for split in self.splits.values())

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, document: Any, name: str) -> DataSet:
        """Read the JSON document; raises ResultError when it is not one."""
        fields = Fields(document, name, SCHEMA)
        source = Fields(fields.mapping("source"), f"{name}: source")
        return cls(
            source=DataSource(source.text("path"), source.text("name"), source.mapping("options")),
            origin="hub" if fields.text("origin") == "hub" else "files",
            splits={
                split: _split(Fields(item, f"{name}: split {split}"))
                for split, item in fields.mapping("splits").items()
            },
            task=fields.text("task", ""),
            made=fields.text("made", ""),
            revision=fields.text("revision", ""),
            notes=fields.texts("notes"),
        )


def _split(fields: Fields) -> Split:
    file, form = fields.text("file"), fields.text("format")
    if "/" in file or file.startswith(".") or form not in FORMATS:
        raise ResultError(f"a data file {file!r} of format {form!r} is not read")
    return Split(
        file=file,
        format=form,
        bytes=fields.integer("bytes"),
        sha256=fields.text("sha256"),
        rows=fields.integer_or_none("rows"),
        columns=fields.texts("columns"),
        origin=fields.text("origin", ""),
    )


def file_name(split: str, form: str) -> str:
    """Return the name of a split's file."""
    return f"{_plain(split)}.{form}"


def _plain(text: str) -> str:
    """Return a text as a folder's name; what is lost is made up for by a digest."""
    return re.sub(r"[^\w.-]", "-", text.replace("/", "--")).lstrip(".")[:80] or "data"


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    return isinstance(value, str | int | float | bool)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value or ()
    return [text for item in items for text in _texts(item)] if value else []
