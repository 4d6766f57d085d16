"""Which GPUs this machine has, without starting a container."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from shutil import which


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    if which("nvidia-smi") is None:
        return ()
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in listed.stdout.splitlines() if line.strip())


def visible_gpus() -> tuple[str, ...]:
    """Return the ids of the GPUs that may be used; CUDA_VISIBLE_DEVICES narrows them."""
    installed = _installed()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return installed
    wanted = [part.strip() for part in chosen.split(",") if part.strip()]
    by_index = {str(index): uuid for index, uuid in enumerate(installed)}
    found = [by_index.get(part, part) for part in wanted]
    return tuple(uuid for uuid in found if uuid in installed)


def gpu_indices(wanted: Sequence[str]) -> list[str] | None:
    """Return the numbers, in the order of the bus, of these GPUs; None when one is not here."""
    installed = _installed()
    if not set(wanted) <= set(installed):
        return None
    return [str(installed.index(uuid)) for uuid in wanted]


def gpu_memory(uuid: str) -> int | None:
    """Return the bytes of memory of one GPU, None where nvidia-smi does not say."""
    asked = ["nvidia-smi", f"--id={uuid}", "--query-gpu=memory.total"]
    try:
        listed = subprocess.run(
            [*asked, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return int(listed.stdout.strip()) << 20
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
