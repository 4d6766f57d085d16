"""A build's context as tar bytes, made while they are sent: wheels are never copied first.

Owners, modes and times are fixed, so the same files give the same bytes.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

_CHUNK = 1 << 20


def stream(files: Mapping[str, Path]) -> Iterator[bytes]:
    """Yield a tar of ``files``, each under its name, in the order of the names."""
    for name, path in sorted(files.items()):
        header = tarfile.TarInfo(name)
        header.size = path.stat().st_size
        header.mode = 0o755 if name.endswith(".sh") else 0o644
        yield header.tobuf(tarfile.PAX_FORMAT)
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                yield chunk
        yield bytes(-header.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
