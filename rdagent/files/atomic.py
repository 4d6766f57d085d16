"""Write a file so that a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rdagent.errors import ResultError
from rdagent.files import untrusted


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Give a sink that becomes ``path`` when the block ends well; a link there is replaced.

    The bytes are on disk before the name changes.  After an error nothing is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``."""
    with replaced(path) as sink:
        sink.write(content)


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text``."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, document: Any) -> None:
    """Replace ``path`` by a JSON document; NaN and infinities are refused."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def copy_untrusted(source: Path, target: Path, limit: int) -> None:
    """Copy a file that a stranger wrote: a regular one of at most ``limit`` bytes, whole."""
    with (
        os.fdopen(untrusted.open_untrusted(source, limit), "rb") as stream,
        replaced(target) as sink,
    ):
        shutil.copyfileobj(stream, sink, 1 << 20)
        if sink.tell() > limit:
            raise ResultError(f"{source.name} grew beyond {limit} bytes while it was copied")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
