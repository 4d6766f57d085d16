"""A model's digest: over its weights, configuration, tokenizer and template.

Sums of single files are kept, keyed by where the file really is, its size, time
and inode, so that a large model is read once.
"""

from __future__ import annotations

import json
from pathlib import Path

from rdagent.files import atomic
from rdagent.files.digests import file_digest, text_digest
from rdagent.files.locks import file_lock

_PATTERNS = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt")
_CACHE_SCHEMA = "rdagent.digests/1"


def folder_digest(folder: Path, cache: Path) -> str:
    """Return the digest of a model's or an adapter's folder."""
    files = sorted({path for pattern in _PATTERNS for path in folder.glob(pattern)})
    sums = FileSums(cache / "digests.json")
    rows = [f"{path.relative_to(folder).as_posix()}\0{sums.of(path)}" for path in files]
    sums.save()
    return text_digest(*rows)


class FileSums:
    """Sums of files, kept between calls; a file is read again when time, size or inode differ."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._load()
        self._new: dict[str, str] = {}

    def _load(self) -> dict[str, str]:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(document, dict) or document.get("schema") != _CACHE_SCHEMA:
            return {}
        return {str(key): str(value) for key, value in document.get("sums", {}).items()}

    def of(self, path: Path) -> str:
        """Return a file's sum."""
        real = path.resolve()
        status = real.stat()
        key = f"{real}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"
        if key not in self._known:
            self._known[key] = self._new[key] = file_digest(real)
        return self._known[key]

    def save(self) -> None:
        """Keep what was summed for the next call."""
        if not self._new:
            return
        with file_lock(self._path.with_suffix(".lock")):
            sums = {**self._load(), **self._new}
            atomic.write_json(self._path, {"schema": _CACHE_SCHEMA, "sums": sums})
