"""A job's log on disk: its beginning and its end, never more than its cap, little in memory."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from types import TracebackType

from rdagent.files.redaction import Redactor

RING_BYTES = 256 * 1024


class LogFile:
    """Append-only; past the cap, or when the disk is full, the newest bytes are held back.

    What was held back is written at the end.  Secrets are masked on the way.  Writing
    raises nothing: ``trouble`` says what the disk said first.
    """

    def __init__(self, path: Path, cap: int, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor(())
        self._room = max(cap - RING_BYTES, RING_BYTES)
        self._ring: deque[bytes] = deque()
        self._ring_bytes = 0
        self._left_out = 0
        self.trouble: OSError | None = None
        self._sink = path.open("wb", buffering=0)

    @property
    def is_full(self) -> bool:
        """Whether only the end is still of interest."""
        return self._room <= 0

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; after ``close`` they are dropped."""
        if not self._sink.closed:
            self._write(self._redactor.feed(chunk))

    def _write(self, clean: bytes) -> None:
        written = self._put(clean[: self._room]) if not self.trouble else 0
        self._room -= written
        if written < len(clean):
            self._hold(clean[written:])

    def _put(self, content: bytes) -> int:
        """Write what the disk takes and return how much that was."""
        done = 0
        try:
            while done < len(content):
                done += self._sink.write(content[done:]) or 0
        except OSError as error:
            self.trouble = self.trouble or error
        return done

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

    def end_with(self, content: bytes) -> None:
        """Take the end of the log as it was read again: the stream had lost parts of it."""
        self._redactor.flush()
        clean = self._redactor.feed(content[-RING_BYTES:]) + self._redactor.flush()
        self._left_out = max(self._left_out + self._ring_bytes - len(clean), 1)
        self._ring, self._ring_bytes = deque([clean]), len(clean)

    def close(self) -> None:
        """Write what was held back."""
        if self._sink.closed:
            return
        self._write(self._redactor.flush())
        if self._left_out:
            self._put(f"\n[... {self._left_out} bytes left out ...]\n".encode())
        for chunk in self._ring:
            self._put(chunk)
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
