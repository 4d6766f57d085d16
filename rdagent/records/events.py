"""``events.jsonl``: what happened in a run, one JSON object a line, in the order it happened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import untrusted

EVENTS_FILE = "events.jsonl"
_LIMIT = 256 * untrusted.MEBIBYTE


def now() -> str:
    """Return the time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def append_event(folder: Path, kind: str, **details: Any) -> None:
    """Append one event; a line is written at once, so concurrent writers do not mix.

    A full disk can cut a line off; the next one then begins on a line of its own.
    """
    line = json.dumps({"time": now(), "event": kind, **details}, ensure_ascii=False)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(folder / EVENTS_FILE, flags, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        text = ("\n" if torn else "") + line + "\n"
        os.write(descriptor, text.encode("utf-8", "backslashreplace"))
    finally:
        os.close(descriptor)


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a run; a line that was cut off is passed over."""
    if not (folder / EVENTS_FILE).exists():
        return
    content = untrusted.read_bytes(folder / EVENTS_FILE, _LIMIT)
    for line in content.split(b"\n"):
        try:
            event = untrusted.parse_json(line, EVENTS_FILE) if line.strip() else None
        except ResultError:
            continue
        if isinstance(event, dict):
            yield event
