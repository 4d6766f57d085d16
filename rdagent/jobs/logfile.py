"""A job's log on disk: its beginning and its end, never more than its cap, little in memory."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import TracebackType

RING_BYTES = 256 * 1024


class LogFile:
    """Append-only; past the cap the newest bytes are held back and written at the end."""

    def __init__(self, path: Path, cap: int) -> None:
        self._room = max(cap - RING_BYTES, RING_BYTES)
        self._sink = path.open("ab")
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._left_out = 0

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; after ``close`` they are dropped."""
        if self._sink.closed:
            return
        direct = chunk[: self._room]
        if direct:
            self._sink.write(direct)
            self._sink.flush()
            self._room -= len(direct)
        if len(direct) < len(chunk):
            self._hold(chunk[len(direct) :])

    def _hold(self, rest: bytes) -> None:
        self._ring.append(rest)
        self._ring_bytes += len(rest)
        while self._ring_bytes > RING_BYTES:
            surplus = self._ring_bytes - RING_BYTES
            oldest = self._ring.popleft()
            if len(oldest) > surplus:
                self._ring.appendleft(oldest[surplus:])
            dropped = min(surplus, len(oldest))
            self._ring_bytes -= dropped
            self._left_out += dropped

    def close(self) -> None:
        """Write what was held back."""
        if self._sink.closed:
            return
        if self._left_out:
            self._sink.write(f"\n[... {self._left_out} bytes left out ...]\n".encode())
        self._sink.writelines(self._ring)
        self._ring.clear()
        self._sink.close()

    def __enter__(self) -> LogFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def tail(path: Path, size: int = 16 * 1024) -> str:
    """Return the end of a log as text; what is not UTF-8 is replaced."""
    if not path.exists():
        return ""
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - size))
        return stream.read().decode("utf-8", "replace")
