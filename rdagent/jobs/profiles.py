"""What each kind of job may do: how much, how long, and what it is told about its world.

Every job is offline, sees no more of the host than its mounts, and keeps its
caches in its own scratch folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from rdagent.jobs.spec import GIBIBYTE, Limits

_HOST_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class Resources:
    """What a user may change of a profile; None keeps the profile's own value."""

    deadline_seconds: float
    memory_bytes: int | None = None
    shm_bytes: int | None = None


def train_limits(resources: Resources) -> Limits:
    """Training: up to 48 GiB, a minute to save when it is stopped."""
    return _limits(resources, memory=48 * GIBIBYTE, shm=16 * GIBIBYTE, grace=60)


def evaluate_limits(resources: Resources) -> Limits:
    """Evaluation: up to 32 GiB."""
    return _limits(resources, memory=32 * GIBIBYTE, shm=8 * GIBIBYTE, grace=20)


def _limits(resources: Resources, *, memory: int, shm: int, grace: float) -> Limits:
    wanted = resources.memory_bytes or min(memory, int(host_memory() * _HOST_SHARE))
    return Limits(
        deadline_seconds=resources.deadline_seconds,
        grace_seconds=grace,
        memory_bytes=wanted,
        cpus=usable_cores(),
        shm_bytes=resources.shm_bytes or min(shm, wanted // 2),
    )


def host_memory() -> int:
    """Return the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def usable_cores() -> float:
    """Return how many cores a job may use: all but one on a machine that can spare it."""
    cores = os.cpu_count() or 1
    return float(cores - 1 if cores > 4 else cores)


def offline_environment(gpus: int) -> dict[str, str]:
    """Return what every job is told: where its caches are, and that there is no network."""
    scratch = "{mount:scratch}"
    environment = {
        "HOME": f"{scratch}/home",
        "USER": "rdagent",
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": "{mount:tmp}",
        "XDG_CACHE_HOME": f"{scratch}/cache",
        "HF_HOME": f"{scratch}/hf",
        "HF_DATASETS_CACHE": f"{scratch}/hf/datasets",
        "TORCHINDUCTOR_CACHE_DIR": f"{scratch}/inductor",
        "TRITON_CACHE_DIR": f"{scratch}/triton",
        "VLLM_CACHE_ROOT": f"{scratch}/vllm",
        "MPLCONFIGDIR": f"{scratch}/matplotlib",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Threads that spin while they wait starve each other on a busy machine.
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": str(max(1, int(usable_cores()))),
    }
    if gpus == 0:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment
