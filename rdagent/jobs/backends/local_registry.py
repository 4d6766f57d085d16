"""What is written down of local jobs: one folder each, from which any process can end them.

``local`` asks here, ``local_launcher`` writes.  A process is named by its id and by
when it began, and signalled through a descriptor: an id that was given to another
process meanwhile is never signalled.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import InfrastructureError
from rdagent.files import atomic
from rdagent.files.digests import text_digest
from rdagent.jobs.backends.local_launcher import ENDED_FILE, RUNNING_FILE, process_fields

JOB_FILE = "job.json"
JOB_SCHEMA = "rdagent.local-job/1"
_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this boot."""

    pid: int
    start: str

    def is_alive(self) -> bool:
        """Tell whether it still runs; one that only waits to be taken leave of does not."""
        fields = process_fields(self.pid)
        return len(fields) > 19 and fields[19] == self.start and fields[0] != "Z"

    def send(self, number: signal.Signals, *, to_group: bool = False) -> None:
        """Signal it, or the group that it leads; one that is gone is no error."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return
        try:
            if not self.is_alive():
                return
            if to_group:
                os.killpg(self.pid, number)
            else:
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Entry:
    """One job's folder."""

    folder: Path

    @property
    def exists(self) -> bool:
        """Whether the job is known."""
        return (self.folder / JOB_FILE).is_file()

    def document(self, name: str) -> dict[str, Any] | None:
        """Return one of its documents, None while it is not there."""
        try:
            document = json.loads((self.folder / name).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None

    def ended(self) -> dict[str, Any] | None:
        """Return how the job ended, None while it has not."""
        return self.document(ENDED_FILE)

    def launcher(self) -> Process | None:
        """Return what stands between us and the job; None before it was started."""
        return self._process("pid", "start")

    def child(self) -> Process | None:
        """Return the job's first process."""
        return self._process("child", "child_start")

    def _process(self, pid: str, start: str) -> Process | None:
        running = self.document(RUNNING_FILE) or {}
        if not isinstance(running.get(pid), int) or not isinstance(running.get(start), str):
            return None
        return Process(running[pid], running[start])

    def forget(self) -> None:
        """Remove all that was written down, and the job's temporary folder."""
        job = self.document(JOB_FILE) or {}
        if isinstance(job.get("tmp"), str):
            shutil.rmtree(job["tmp"], ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Registry:
    """The folder of all local jobs of one user."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def entry(self, name: str) -> Entry:
        """Return a job's entry, whether it exists or not."""
        if "/" in name or name.startswith("."):
            raise InfrastructureError(f"{name!r} is no name of a job")
        return Entry(self._root / name)

    def add(self, name: str, labels: Mapping[str, str], tmp: Path) -> Entry:
        """Write a new job down; it is there whole or not at all."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root))
        document = {"schema": JOB_SCHEMA, "name": name, "labels": dict(labels), "tmp": str(tmp)}
        try:
            atomic.write_json(folder / JOB_FILE, document)
            folder.rename(self._root / name)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise InfrastructureError(f"the job {name} cannot be written down: {error}") from error
        return self.entry(name)

    def entries(self) -> Iterator[Entry]:
        """Yield every job that is known."""
        if not self._root.is_dir():
            return
        for folder in sorted(self._root.iterdir()):
            if not folder.name.startswith(".") and Entry(folder).exists:
                yield Entry(folder)


def temporary_folder(scratch: str) -> Path:
    """Name a job's own folder for temporary files.

    Sockets lie there, whose paths may have a hundred bytes; a run's folder is often deeper.
    """
    return Path(tempfile.gettempdir()) / f"rdagent-{os.geteuid()}-{text_digest(scratch)[:12]}"


def make_private(folder: Path) -> None:
    """Make a folder in a place that everyone can write to; what is there already is not trusted."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        folder.mkdir(mode=0o700)
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise InfrastructureError(
            f"{folder} is in the way and is not ours", hint="Remove it, or set another TMPDIR."
        )
    shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
