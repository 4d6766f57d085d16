"""How many CPUs this process may use, counting a container's share of time.

``os.cpu_count`` names the machine's; a container that is limited to one of them and
starts a thread for each is slowed down by its own threads.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def allowed_cpus(cgroup: Path = _CGROUP) -> int:
    """Return the number of CPUs, at least one."""
    allowed = len(os.sched_getaffinity(0))
    share = _share(cgroup)
    return allowed if share is None else max(1, min(allowed, math.ceil(share)))


def _share(cgroup: Path) -> float | None:
    """Return the CPUs' worth of time that a limit leaves, None without a limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text("ascii").split()
    except (OSError, ValueError):
        return _share_version_1(cgroup / "cpu")
    return None if quota == "max" else int(quota) / int(period)


def _share_version_1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text("ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text("ascii"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None
