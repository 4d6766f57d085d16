"""Bring an adapter from an attempt's folder into the workspace, at once and whole.

What a training wrote is a stranger's: regular files of known types are copied,
everything else stays where it is and is listed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rdagent.errors import ResultError
from rdagent.files import atomic, untrusted
from rdagent.files.locks import file_lock
from rdagent.records.trained_on import HASHES_FILE

OUTPUT_FOLDER = "output"
PREVIOUS_FOLDER = "output.previous"
CONFIG_FILE = "adapter_config.json"
CONFIG_LIMIT = untrusted.MEBIBYTE
FILE_LIMIT = 64 << 30
COUNT_LIMIT = 500
#: No pickles (``.bin``, ``.pt``, ``.pth``, ``.pkl``) and no code: an adapter needs neither.
TYPES = frozenset(
    (".safetensors", ".json", ".jsonl", ".jinja", ".md", ".txt", ".png", ".model", ".tiktoken")
)
#: Ends like a pickle and is none: hashes that the evaluation reads as numbers.
NAMES = frozenset((HASHES_FILE,))
_LOCK_FILE = ".output.lock"


@dataclass(frozen=True, slots=True)
class Published:
    """What came into the workspace, and what stayed in the attempt's folder."""

    folder: Path
    files: tuple[str, ...]
    skipped: tuple[str, ...]
    #: Where the folder's former content is now, if there was one.
    previous: Path | None


def publish_adapter(trained: Path, workspace: Path, base_model: str | None = None) -> Published:
    """Put what was trained into ``workspace/output``.

    A reader sees the former content or the new one, or for an instant none, never a
    mixture; the former content stays as ``output.previous`` until the next time.
    ``base_model`` is written into the adapter's configuration, which otherwise names
    a path inside the job.  Raises ResultError when there are no weights; the workspace
    is then as before.
    """
    names, skipped = _sort(trained)
    with file_lock(workspace / _LOCK_FILE):
        staging = Path(tempfile.mkdtemp(prefix=".output.", dir=workspace))
        try:
            for name in names:
                atomic.copy_untrusted(trained / name, staging / name, FILE_LIMIT)
            if base_model is not None and CONFIG_FILE in names:
                _name_base(staging / CONFIG_FILE, base_model)
            staging.chmod(0o755)
            previous = _swap(staging, workspace)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    return Published(workspace / OUTPUT_FOLDER, names, skipped, previous)


def _sort(trained: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if trained.is_symlink() or not trained.is_dir():
        raise ResultError(
            f"{trained.name} is no folder", hint=f"expected what was trained at {trained}"
        )
    taken: list[str] = []
    left: list[str] = []
    for entry, name in _entries(trained):
        is_known = Path(name).suffix in TYPES or name in NAMES
        wanted = is_known and entry.is_file(follow_symlinks=False)
        (taken if wanted else left).append(name)
    if not any(name.endswith(".safetensors") for name in taken):
        raise ResultError(
            "the training left no weights", hint=f"expected *.safetensors in {trained}"
        )
    return tuple(taken), tuple(left)


def _entries(folder: Path) -> Iterator[tuple[os.DirEntry[str], str]]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    if len(entries) > COUNT_LIMIT:
        raise ResultError(
            f"{folder.name} holds {len(entries)} files; at most {COUNT_LIMIT} are read"
        )
    for entry in entries:
        yield entry, entry.name


def _name_base(path: Path, base_model: str) -> None:
    document = untrusted.read_json(path, CONFIG_LIMIT)
    if not isinstance(document, dict):
        raise ResultError(f"{CONFIG_FILE} is not a JSON object")
    atomic.write_json(path, {**document, "base_model_name_or_path": base_model})


def _swap(staging: Path, workspace: Path) -> Path | None:
    output, previous = workspace / OUTPUT_FOLDER, workspace / PREVIOUS_FOLDER
    if not os.path.lexists(output):
        staging.rename(output)
        return None
    if previous.is_symlink() or previous.is_file():
        previous.unlink()
    elif previous.exists():
        shutil.rmtree(previous)
    output.rename(previous)
    staging.rename(output)
    return previous
