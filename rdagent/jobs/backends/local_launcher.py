"""Stands between an orchestrator and one local job: a script that outlives its caller.

``local`` starts it, detached, with the job's words on stdin (so that no secret is
written down).  It carries the job's output into bounded files, ends what uses too much
memory, ends everything that the job started, and writes down how it ended.  Standard
library only: it runs as ``python -I -S local_launcher.py FOLDER``.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

RUNNING_FILE, ENDED_FILE = "running.json", "ended.json"
RUNNING_SCHEMA, ENDED_SCHEMA = "rdagent.local-running/1", "rdagent.local-end/1"
#: What asks the launcher to end the job at once; SIGTERM is passed on to the job.
END_AT_ONCE = signal.SIGUSR1
#: Before each piece of output: when it came, and how long it is.
FRAME = struct.Struct("<dI")
SEGMENT_BYTES = 20 << 20
SEGMENTS = 5

_PIECE = 64 * 1024
_LOOK_SECONDS = 0.1
_LAST_WORDS_SECONDS = 2.0
_KILL_SECONDS = 20.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_PAGE = os.sysconf("SC_PAGE_SIZE")
_NOT_FOUND = {errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC, errno.ELOOP}


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a small document so that a reader sees all of it or none."""
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(document), encoding="utf-8")
    partial.replace(path)


def start_time(pid: int) -> str | None:
    """Return when a process began, in the kernel's ticks; with its id it names it for good."""
    fields = process_fields(pid)
    return fields[19] if fields else None


def process_fields(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the state on; none when it is gone."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    # The command name, in parentheses, may hold anything; what follows the last one does not.
    return content.rpartition(")")[2].split()


def segment(folder: Path, number: int) -> Path:
    """Return the file of one stretch of output."""
    return folder / f"log.{number:06d}"


def segment_numbers(folder: Path) -> list[int]:
    """Return which stretches are there, the oldest first."""
    names = (path.name.partition(".")[2] for path in folder.glob("log.*"))
    return sorted(int(name) for name in names if name.isdigit())


class Output:
    """What the job says, in files of which only the newest are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number, self._size = folder, 0, 0
        self._sink: IO[bytes] = segment(folder, 0).open("wb", buffering=0)

    def take(self, piece: bytes) -> None:
        """Write one piece; a full disk costs the output, not the job."""
        try:
            if self._size > SEGMENT_BYTES:
                self._turn()
            self._sink.write(FRAME.pack(time.time(), len(piece)) + piece)
            self._size += FRAME.size + len(piece)
        except OSError:
            self._size = SEGMENT_BYTES + 1  # a frame may be cut: the next one begins a file

    def _turn(self) -> None:
        self._sink.close()
        self._number += 1
        self._size = 0
        segment(self._folder, self._number - SEGMENTS).unlink(missing_ok=True)
        self._sink = segment(self._folder, self._number).open("wb", buffering=0)

    def close(self) -> None:
        """Nothing more is said."""
        self._sink.close()

    def make_room(self) -> None:
        """Give up what was kept, on a disk that has no room for how the job ended."""
        for number in segment_numbers(self._folder):
            segment(self._folder, number).unlink(missing_ok=True)


@dataclass
class Family:
    """Everything that a job started and that still runs, sessions of its own included.

    The launcher is the subreaper of its descendants, so one that is left by its parent
    becomes the launcher's child and stays in the family.
    """

    root: int
    #: Of children that have ended, as a shell says it: 128 and the signal.
    exit_codes: dict[int, int] = field(default_factory=dict)
    _members: dict[int, str] = field(default_factory=dict)
    _strangers: set[int] = field(default_factory=set)

    def members(self) -> list[int]:
        """Return the ids of all processes of the family, looking at new ones only."""
        present = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self._strangers &= present
        self._members = {
            pid: began
            for pid, began in self._members.items()
            if pid in present and start_time(pid) == began
        }
        new = {
            pid: fields
            for pid in present - self._strangers - set(self._members)
            if len(fields := process_fields(pid)) > 19
        }
        self._sort_in(new)
        return sorted(self._members)

    def _sort_in(self, new: dict[int, list[str]]) -> None:
        found = True
        while found:
            found = False
            for pid, fields in list(new.items()):
                parent = int(fields[1])
                if parent == self.root or parent in self._members:
                    self._members[pid] = new.pop(pid)[19]
                    found = True
        self._strangers |= set(new)

    def kill(self) -> bool:
        """End all of them, those that they start meanwhile too; tell whether none is left."""
        given_up = time.monotonic() + _KILL_SECONDS
        while members := self.members():
            for pid in members:
                _send(pid, signal.SIGKILL)
            self.reap()
            if time.monotonic() > given_up:
                return False
            time.sleep(0.01)
        return True

    def reap(self) -> None:
        """Take leave of children that have ended, and keep their exit codes."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            self.exit_codes[pid] = code if code >= 0 else 128 - code


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has; shared ones count in full."""
    fields = process_fields(pid)
    return int(fields[21]) * _PAGE if len(fields) > 21 else 0


def proportional(pid: int) -> int:
    """Return the bytes of memory that a process has; shared ones count by its share of them."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return resident(pid)
    return 0


class Memory:
    """Ends the largest process of a family that has more memory than it may, as a kernel does."""

    def __init__(self, family: Family, limit: int) -> None:
        self._family, self._limit = family, limit
        self._kills_before = _kernel_kills()
        self.exceeded = False

    def look(self) -> None:
        """Compare; the exact and slow sum is made only where the quick one is over the limit."""
        members = self._family.members()
        if sum(map(resident, members)) <= self._limit:
            return
        sizes = {pid: proportional(pid) for pid in members}
        if sum(sizes.values()) > self._limit:
            self.exceeded = True
            _send(max(sizes, key=sizes.__getitem__), signal.SIGKILL)

    def ended_by_kernel(self, exit_code: int) -> bool:
        """Tell whether the kernel, out of memory itself, is what killed the job."""
        return exit_code == 128 + signal.SIGKILL and _kernel_kills() > self._kills_before


def _kernel_kills() -> int:
    try:
        with open("/proc/vmstat", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    except (OSError, StopIteration):
        return 0


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _shut(open_files: int) -> None:
    """Between fork and exec: what little can be shut without an engine."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # What whoever started us ignores (a shell, for what it puts in the background) is no job's.
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = open_files if highest == resource.RLIM_INFINITY else min(open_files, highest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, highest))
    with suppress(OSError):  # it may be higher already, and only root can lower it
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


class Launcher:
    """One job, from its start to the document that says how it ended."""

    def __init__(self, folder: Path, job: dict[str, Any]) -> None:
        self._folder, self._job = folder, job
        self._family = Family(os.getpid())
        self._memory = Memory(self._family, int(job["memory_bytes"]))
        self._output = Output(folder)
        self._asked: list[int] = []

    def start(self) -> tuple[int, int]:
        """Start the job; returns its id and where its output comes from."""
        # Handled and not ignored, since the job would inherit what is ignored.
        for number in (signal.SIGTERM, END_AT_ONCE, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, frame: self._asked.append(number))
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        # Before anything starts: who finds no launcher here may take the job for not started.
        self._write_running(None)
        source, sink = os.pipe()
        if not os.path.isdir(self._job["workdir"]):
            raise FileNotFoundError(
                errno.EINVAL, "no such folder to start in", self._job["workdir"]
            )
        child = subprocess.Popen(
            self._job["argv"],
            cwd=self._job["workdir"],
            env=self._job["environment"],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            preexec_fn=lambda: _shut(int(self._job["open_files"])),
            restore_signals=True,
        )
        child.returncode = 0  # it is waited for here, with every other child
        os.close(sink)
        self._write_running(child.pid)
        return child.pid, source

    def _write_running(self, child: int | None) -> None:
        me = os.getpid()
        document: dict[str, Any] = {"schema": RUNNING_SCHEMA, "pid": me, "start": start_time(me)}
        if child is not None:
            document |= {"child": child, "child_start": start_time(child)}
        write_json(self._folder / RUNNING_FILE, document)

    def watch(self, child: int, source: int) -> int:
        """Carry output and look after memory until the job's first process has ended."""
        os.set_blocking(source, False)
        next_look = 0.0
        while True:
            open_still = self._carry(source, _LOOK_SECONDS)
            self._family.reap()
            if child in self._family.exit_codes:
                return self._family.exit_codes[child]
            self._obey(child)
            if time.monotonic() >= next_look:
                self._memory.look()
                next_look = time.monotonic() + _LOOK_SECONDS
            if not open_still:
                time.sleep(_LOOK_SECONDS)

    def _carry(self, source: int, seconds: float) -> bool:
        """Take what there is to read, for a while at most; False when nobody can write more."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([source], [], [], left)[0]:
                return True
            try:
                piece = os.read(source, _PIECE)
            except BlockingIOError:
                continue
            if not piece:
                return False
            self._output.take(piece)
        return True

    def _obey(self, child: int) -> None:
        asked, self._asked = self._asked, []
        if END_AT_ONCE in asked:
            self._family.kill()
        elif signal.SIGTERM in asked:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGTERM)

    def conclude(self, exit_code: int, source: int) -> None:
        """End what the job left, take its last words, write down how it ended."""
        self._family.kill()
        until = time.monotonic() + _LAST_WORDS_SECONDS
        while time.monotonic() < until and self._carry(source, _LOOK_SECONDS):
            pass
        self._output.close()
        memory = self._memory.exceeded or self._memory.ended_by_kernel(exit_code)
        document = {"schema": ENDED_SCHEMA, "exit_code": exit_code, "out_of_memory": memory}
        try:
            write_json(self._folder / ENDED_FILE, document)
        except OSError:
            self._output.make_room()
            write_json(self._folder / ENDED_FILE, document)


def _answer(document: dict[str, Any]) -> None:
    """Tell the caller, who may be gone, whether the job started."""
    with suppress(BrokenPipeError):
        os.write(1, f"{json.dumps(document)}\n".encode())
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def main(folder: Path) -> int:
    """Run the job that stdin describes, and leave how it ended in ``folder``."""
    launcher = Launcher(folder, json.load(sys.stdin))
    try:
        child, source = launcher.start()
    except OSError as error:
        kind = "entry_not_found" if error.errno in _NOT_FOUND else "other"
        if error.errno == errno.ENOSPC:
            kind = "disk_full"
        _answer({"failed": kind, "message": f"{error.strerror}: {error.filename}"})
        return 1
    _answer({"started": child})
    exit_code = launcher.watch(child, source)
    launcher.conclude(exit_code, source)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
