"""SHA-256 of files and folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def text_digest(*parts: str) -> str:
    """Return the digest of several texts; the border between two of them counts."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(encoded)}:".encode())
        digest.update(encoded)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Return the digest of one file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_digest(root: Path, files: Iterable[Path]) -> str:
    """Return the digest of (relative name, content digest) of ``files``, in any order given."""
    rows = sorted((path.relative_to(root).as_posix(), file_digest(path)) for path in files)
    return text_digest(*(f"{name}\0{content}" for name, content in rows))
