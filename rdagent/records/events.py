"""``events.jsonl``: what happened in a run, one JSON object a line, in the order it happened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rdagent.files import untrusted

EVENTS_FILE = "events.jsonl"


def now() -> str:
    """Return the time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def append_event(folder: Path, kind: str, **details: Any) -> None:
    """Append one event; a line is written at once, so concurrent writers do not mix."""
    line = json.dumps({"time": now(), "event": kind, **details}, ensure_ascii=False)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(folder / EVENTS_FILE, flags, 0o644)
    try:
        os.write(descriptor, (line + "\n").encode("utf-8", "backslashreplace"))
    finally:
        os.close(descriptor)


def read_events(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a run."""
    if (folder / EVENTS_FILE).exists():
        yield from untrusted.read_json_lines(folder / EVENTS_FILE)
