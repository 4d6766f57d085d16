"""Carries a job's output into its log; a stream that ends early is taken up where it ended."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator

from rdagent.errors import InfrastructureError
from rdagent.files.logs import log
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.logfile import RING_BYTES, LogFile

#: Up to here the engine surely still has everything, so a broken stream is read again from
#: its beginning and what was seen is dropped: exact, whatever a clock does.
REPLAYED_BYTES = 72 << 20
#: What the engine writes beside each chunk, for its own log's cap.
_CHUNK_COST = 64
_PAUSE_SECONDS = 0.3
_STALLED_SECONDS = 10.0
_DRAINED_SECONDS = 120.0


class LogPump(threading.Thread):
    """Follows one job; ``finish`` waits for what the job wrote last."""

    def __init__(self, backend: Backend, identifier: str, sink: LogFile) -> None:
        super().__init__(name=f"log-{identifier[:12]}", daemon=True)
        self._backend, self._identifier, self._sink = backend, identifier, sink
        self._ended = threading.Event()
        self._seen = self._chunks = 0
        self._last = 0.0
        self._warned = False

    def run(self) -> None:
        """Follow until the job has ended and everything of it was seen."""
        while True:
            last_round = self._ended.is_set()
            try:
                if last_round and not self._can_replay():
                    self._read_end()
                else:
                    self._follow()
            except InfrastructureError as error:
                log().debug("log stream: {}", error.message)
            if last_round:
                return
            self._ended.wait(None if self._is_enough() else _PAUSE_SECONDS)

    def _can_replay(self) -> bool:
        return self._seen + self._chunks * _CHUNK_COST < REPLAYED_BYTES

    def _is_enough(self) -> bool:
        """Tell whether the log's beginning is full, so that only its end will be read."""
        return self._sink.is_full and not self._can_replay()

    def _read_end(self) -> None:
        """Read what the engine kept of a very long log: a slow stream is cut off by its caps."""
        kept: deque[bytes] = deque()
        size = 0
        for chunk in self._backend.follow(self._identifier, 0.0):
            kept.append(chunk)
            size += len(chunk)
            self._seen += len(chunk)  # it goes on: whoever waits for the end sees it
            while size - len(kept[0]) > RING_BYTES:
                size -= len(kept.popleft())
        if kept:
            self._sink.end_with(b"".join(kept))

    def _follow(self) -> None:
        replayed = self._can_replay()
        known = self._seen if replayed else 0
        since = 0.0 if replayed else self._last
        stream = self._backend.follow(self._identifier, since)
        for chunk in stream:
            if known < len(chunk):
                self._take(chunk[known:])
            known = max(0, known - len(chunk))
            if self._is_enough():
                break
        if isinstance(stream, Generator):
            stream.close()

    def _take(self, chunk: bytes) -> None:
        self._seen += len(chunk)
        self._chunks += 1
        self._last = time.time()
        self._sink.write(chunk)
        if self._sink.trouble and not self._warned:
            self._warned = True
            log().warning("the log could not be written: {}", self._sink.trouble)

    def finish(self) -> None:
        """Wait until what the job wrote last is in the log, for as long as more comes in."""
        self._ended.set()
        given_up = time.monotonic() + _DRAINED_SECONDS
        while self.is_alive() and time.monotonic() < given_up:
            before = self._seen
            self.join(timeout=_STALLED_SECONDS)
            if self._seen == before:
                return

    def leave(self) -> None:
        """Follow no further; what comes in after the log is closed is dropped."""
        self._ended.set()
