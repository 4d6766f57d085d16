"""Run folders: each is the whole record of one run, and its ``status.json`` the commit mark."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rdagent.errors import InfrastructureError, RDAgentError, ResultError, UsageError
from rdagent.files import atomic, untrusted
from rdagent.files.digests import text_digest
from rdagent.files.logs import log
from rdagent.files.storage import storage_errors
from rdagent.jobs.outcome import Outcome, reason_of_error
from rdagent.records.events import append_event, now
from rdagent.records.reasons import Reason, RunState
from rdagent.records.status import STATUS_FILE, RunStatus

REQUEST_FILE, MANIFEST_FILE = "request.json", "manifest.json"
MANIFEST_SCHEMA = "rdagent.manifest/1"
_STATES: dict[Reason, RunState] = {
    "ok": "done",
    "incomplete": "incomplete",
    "refused": "refused",
    "cancelled": "cancelled",
}
_UNFINISHED: tuple[RunState, ...] = ("cancelled", "incomplete")
_FAILED: tuple[RunState, ...] = ("failed", "refused")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk."""

    path: Path
    started: str

    @property
    def run_id(self) -> str:
        """The run's name: when it started, and the beginning of its request's identity."""
        return self.path.name

    @property
    def attempts(self) -> Path:
        """Folder of the tries of the run's job."""
        return self.path / "attempts"

    def label(self) -> str:
        """Return the name that a user gave this run, empty if none."""
        label = untrusted.read_json(self.path / REQUEST_FILE).get("label", "")
        return label if isinstance(label, str) else ""

    def variant(self, name: str) -> Path:
        """Folder of one variant's results."""
        return self.path / "variants" / name

    def event(self, kind: str, **details: Any) -> None:
        """Append to the run's events; a disk that is full costs the event, not the run."""
        try:
            append_event(self.path, kind, **details)
        except OSError as error:
            log().warning("an event could not be written: {}", error)

    def identity(self) -> str:
        """Return the digest of what was asked; empty when the request does not say."""
        request = untrusted.read_json(self.path / REQUEST_FILE)
        found = request.get("identity") if isinstance(request, dict) else None
        return found if isinstance(found, str) else ""

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Write what the run was made of."""
        document = {"schema": MANIFEST_SCHEMA, "run": self.run_id, **manifest}
        with storage_errors(self.path):
            atomic.write_json(self.path / MANIFEST_FILE, document)

    def finish(self, reason: Reason, message: str = "") -> RunStatus:
        """Write ``status.json``, last; the run is committed with it."""
        outcome = Outcome(reason)
        status = RunStatus(
            status=_STATES.get(reason, "failed"),
            reason=reason,
            hint=f"{message}\n{outcome.hint}".strip(),
            exit_code=outcome.exit_code,
            started=self.started,
            ended=now(),
        )
        self.event("ended", reason=reason)
        with storage_errors(self.path):
            status.write(self.path)
        return status

    @contextmanager
    def ends_with_its_errors(self) -> Iterator[None]:
        """Write how the run ended when an error ends it; a bug or a kill leaves it unfinished."""
        try:
            yield
        except RDAgentError as error:
            if self.status() is None:
                with suppress(InfrastructureError):
                    self.finish(reason_of_error(error), error.message)
            raise
        except BaseException:
            if self.status() is None:
                self.event("interrupted")
            raise

    def status(self) -> RunStatus | None:
        """Return how the run ended, or None while it has not."""
        if not (self.path / STATUS_FILE).exists():
            return None
        return RunStatus.read(self.path)


def identity_of(request: dict[str, Any]) -> str:
    """Return the digest of everything that decides a run's result."""
    return text_digest(json.dumps(request, sort_keys=True, ensure_ascii=True, allow_nan=False))


def lock_of(root: Path, identity: str) -> Path:
    """Return the lock that whoever runs a request holds until the run has ended."""
    return root / ".locks" / f"{identity[:16]}.lock"


def open_run(
    root: Path,
    request: dict[str, Any],
    *,
    fresh: bool = False,
    label: str = "",
    failed_too: bool = False,
) -> RunFolder:
    """Return the newest run of this very request, or a new one when there is none or it failed.

    ``label`` is a name that a user gave a new run; it decides nothing.

    A finished run is returned as it is (its ``status`` is not None), an unfinished
    or cancelled one goes on, with its old status removed; ``failed_too``: so does one that
    failed, as it holds what cannot be had a second time for nothing.
    """
    identity = identity_of(request)
    if not fresh:
        for path in reversed(_runs_of(root, identity)):
            found = _take_up(path, identity, _UNFINISHED + (_FAILED if failed_too else ()))
            if found:
                return found
    return _new_run(root, request, identity, label)


def _runs_of(root: Path, identity: str) -> list[Path]:
    return sorted(root.glob(f"*-{identity[:8]}*")) if root.is_dir() else []


def _take_up(path: Path, identity: str, again: tuple[RunState, ...]) -> RunFolder | None:
    try:
        run = load_run(path)
        if run.identity() != identity:
            return None  # another request whose identity begins alike
        status = run.status()
    except ResultError:
        return None
    _sweep(path)
    if status is None or status.status == "done":
        return run
    if status.status in again:
        run.event("resumed", was=status.reason)
        (path / STATUS_FILE).unlink()
        return run
    return None


def _sweep(path: Path) -> None:
    """Remove what a process that was killed in the middle of a write left behind."""
    for name in (REQUEST_FILE, MANIFEST_FILE, STATUS_FILE):
        for left in path.glob(f".{name}.*"):
            left.unlink(missing_ok=True)


def _new_run(root: Path, request: dict[str, Any], identity: str, label: str) -> RunFolder:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    path = root / f"{stamp}-{identity[:8]}"
    while True:
        try:
            with storage_errors(path):
                path.mkdir(parents=True)
            break
        except FileExistsError:
            path = root / f"{stamp}-{identity[:8]}-{secrets.token_hex(2)}"
    run = RunFolder(path.absolute(), now())
    document = {**request, "identity": identity, "created": run.started, "label": label}
    with storage_errors(path):
        atomic.write_json(path / REQUEST_FILE, document)
    run.event("created", identity=identity)
    return run


def load_run(path: Path) -> RunFolder:
    """Open an existing run's folder; raises ResultError when it is none."""
    request = untrusted.read_json(path / REQUEST_FILE)
    created = request.get("created") if isinstance(request, dict) else None
    if not isinstance(created, str):
        raise ResultError(f"{path} is not a run: its {REQUEST_FILE} says nothing of when")
    return RunFolder(path.absolute(), created)


def list_runs(root: Path) -> Iterator[RunFolder]:
    """Yield the runs under ``root``, the newest first; folders that are no run are passed over."""
    if not root.is_dir():
        return
    for path in sorted(root.iterdir(), reverse=True):
        try:
            yield load_run(path)
        except ResultError:
            continue


def find_run(root: Path, name: str) -> RunFolder:
    """Return the run that a user means: a folder, a name, a part of one, a label, or ``last``.

    Of several runs with one label the newest is meant.
    """
    if (Path(name) / REQUEST_FILE).is_file():
        return load_run(Path(name))
    found = list(list_runs(root))
    if name == "last" and found:
        return found[0]
    matches = [run for run in found if run.run_id == name] or [
        run for run in found if run.run_id.startswith(name) or run.run_id.endswith(name)
    ]
    labelled = [run for run in found if not matches and run.label() == name]
    matches = matches or labelled[:1]
    if len(matches) == 1:
        return matches[0]
    what = "no run" if not matches else f"{len(matches)} runs"
    raise UsageError(f"{what} called {name!r} in {root}", hint="'rdagent runs ls' lists them.")
