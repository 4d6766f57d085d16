"""What is written beside a job while it runs, so that a later process can take it over.

The record is there from before the job is made until its end is known.  A process
that was killed leaves it behind; the next one finds the job by it, or knows that
there is none.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rdagent.errors import ResultError
from rdagent.files import atomic, untrusted
from rdagent.jobs.owner import boot_id, this_owner
from rdagent.records.events import now
from rdagent.records.fields import Fields

RUNNING_FILE = "running.json"
LOCK_FILE = ".lock"
CANCEL_FILE = "cancel"
SCHEMA = "rdagent.running/1"


@dataclass(frozen=True, slots=True)
class Running:
    """A job that runs: its name in the engine, and when its deadline began."""

    name: str
    deadline_seconds: float
    owner: str
    boot: str
    #: Seconds of the clock that never steps; they mean something during one boot only.
    monotonic: float
    started: str

    @classmethod
    def beginning(cls, name: str, deadline_seconds: float) -> Running:
        """Describe a job that this process is about to start."""
        return cls(name, deadline_seconds, this_owner(), boot_id(), time.monotonic(), now())

    def write(self, attempt: Path) -> None:
        """Write the record into the attempt's folder."""
        atomic.write_json(attempt / RUNNING_FILE, {"schema": SCHEMA, **asdict(self)})

    def seconds_ago(self) -> float:
        """Return how long ago it began; a stepped clock matters only after a reboot."""
        if self.boot == boot_id():
            return max(0.0, time.monotonic() - self.monotonic)
        began = datetime.fromisoformat(self.started)
        return max(0.0, (datetime.now(UTC) - began).total_seconds())


def read_running(attempt: Path) -> Running | None:
    """Return the record of an attempt; None when there is none or it cannot be read."""
    try:
        document = untrusted.read_json(attempt / RUNNING_FILE, untrusted.MEBIBYTE)
        fields = Fields(document, RUNNING_FILE, SCHEMA)
        datetime.fromisoformat(fields.text("started"))
        return Running(
            name=fields.text("name"),
            deadline_seconds=fields.number("deadline_seconds"),
            owner=fields.text("owner"),
            boot=fields.text("boot"),
            monotonic=fields.number("monotonic"),
            started=fields.text("started"),
        )
    except (ResultError, ValueError):
        return None


def forget_running(attempt: Path) -> None:
    """Remove the record: how the job ended is known."""
    (attempt / RUNNING_FILE).unlink(missing_ok=True)


def newest_attempt(attempts: Path) -> Path | None:
    """Return the attempt with the highest number."""
    found = (
        [path for path in attempts.iterdir() if path.name.isdigit()] if attempts.is_dir() else []
    )
    return max(found, key=lambda path: int(path.name), default=None)
