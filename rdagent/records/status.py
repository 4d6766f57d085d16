"""``status.json``: how something ended, written last; its presence is the commit mark.

The program inside an image writes one into its output folder, the host writes
one into the run folder.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import atomic, untrusted
from rdagent.records.fields import Fields
from rdagent.records.reasons import REASONS, RUN_STATES, Reason, RunState

INSIDE_SCHEMA = "rdagent.inside-status/1"
RUN_SCHEMA = "rdagent.status/1"
STATUS_FILE = "status.json"
#: What only a supervisor can know of a job's end. That a worker of its own was killed, a
#: program inside can know as well.
SUPERVISORS_REASONS: tuple[Reason, ...] = (
    "timeout",
    "image_unavailable",
    "build_failed",
    "entry_not_found",
    "engine_restarted",
)


@dataclass(frozen=True, slots=True)
class PartStatus:
    """How one part of a job ended: a variant of an evaluation, say."""

    name: str
    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True)
class InsideStatus:
    """What the program inside an image says of its own end."""

    reason: Reason
    message: str = ""
    parts: tuple[PartStatus, ...] = ()

    def write(self, folder: Path) -> None:
        """Write ``status.json`` into the output folder."""
        atomic.write_json(folder / STATUS_FILE, {"schema": INSIDE_SCHEMA, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> InsideStatus:
        """Read what a container wrote; raises ResultError when it is missing or malformed."""
        fields = Fields(untrusted.read_json(folder / STATUS_FILE), STATUS_FILE, INSIDE_SCHEMA)
        parts = [Fields(item, f"{STATUS_FILE}: part") for item in fields.items("parts")]
        return cls(
            reason=_said_inside(fields.text("reason")),
            message=fields.text("message", ""),
            parts=tuple(
                PartStatus(p.text("name"), as_reason(p.text("reason")), p.text("message", ""))
                for p in parts
            ),
        )


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How a run ended."""

    status: RunState
    reason: Reason
    hint: str
    exit_code: int
    started: str
    ended: str

    def write(self, folder: Path) -> None:
        """Write ``status.json`` into the run folder."""
        atomic.write_json(folder / STATUS_FILE, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"schema": RUN_SCHEMA, **asdict(self)}

    @classmethod
    def read(cls, folder: Path) -> RunStatus:
        """Read the status of a finished run; raises ResultError when there is none."""
        fields = Fields(untrusted.read_json(folder / STATUS_FILE), STATUS_FILE, RUN_SCHEMA)
        return cls(
            status=_as_state(fields.text("status")),
            reason=as_reason(fields.text("reason")),
            hint=fields.text("hint", ""),
            exit_code=fields.integer("exit_code"),
            started=fields.text("started"),
            ended=fields.text("ended"),
        )


def _said_inside(name: str) -> Reason:
    reason = as_reason(name)
    if reason in SUPERVISORS_REASONS:
        raise ResultError(f"a program inside cannot know the reason {name!r}")
    return reason


def as_reason(name: str) -> Reason:
    """Return ``name`` as a reason; raises ResultError when it is not on the list."""
    for reason in REASONS:
        if name == reason:
            return reason
    raise ResultError(f"{name!r} is not a reason that this version knows")


def _as_state(name: str) -> RunState:
    for state in RUN_STATES:
        if name == state:
            return state
    raise ResultError(f"{name!r} is not a run status that this version knows")
