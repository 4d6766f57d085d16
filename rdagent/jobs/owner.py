"""Who owns a job: this process, named so that another one can tell whether it still lives."""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Name this boot of the machine."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip()[:8] if path.exists() else "unknown"


def _namespace() -> str:
    """Name the world of process ids that this one lives in; in another one its id means nothing."""
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return "unknown"


def _start_time(pid: int) -> str | None:
    try:
        content = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The command name, in parentheses, may hold blanks; what follows it does not.
    fields = content.rpartition(")")[2].split()
    # A zombie has ended; only its parent has not looked yet.
    return None if fields[0] in ("Z", "X") else fields[19]


def this_owner() -> str:
    """Name this process: host, boot, namespace, process id and when it started."""
    pid = os.getpid()
    return f"{platform.node()}/{boot_id()}/{_namespace()}/{pid}/{_start_time(pid) or 0}"


def is_of_this_system(owner: str) -> bool:
    """Tell whether an owner's process id, and its locks, mean something here."""
    return owner.split("/")[:3] == [platform.node(), boot_id(), _namespace()]


def is_dead(owner: str) -> bool:
    """Tell whether an owner of this host is certainly gone; other hosts' owners never are."""
    parts = owner.split("/")
    if len(parts) != 5 or parts[0] != platform.node() or not parts[3].isdigit():
        return False
    _, boot, namespace, pid, started = parts
    if boot != boot_id():
        return True
    if namespace != _namespace() or not _sees_others():
        return False
    return _start_time(int(pid)) != started


def _sees_others() -> bool:
    """Whether processes of other users are visible at all; hidden is not dead."""
    return _start_time(1) is not None
