"""What a kill costs, and that it costs nothing else: 30 at random moments on a real model.

``python benchmarks/kills.py [KILLS]`` runs a small evaluation of a base and an adapter
undisturbed, then kills it (SIGKILL) at moments drawn with a seed, lets it go on from what
was on the disk, less some bytes of it, and compares every file in the end.  Prints how
many kills it took and what was not the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rdagent.jobs.environments import ensure_environment, plan_environment

ROOT = Path(__file__).parents[1]
KILLS, SEED = "30", "1"
OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def measure(engine: str, kills: str) -> dict[str, object]:
    """Return what became of a series of kills on one engine."""
    ensure_environment("lm-eval", progress=print)
    libraries = plan_environment("lm-eval").libraries
    assert libraries is not None
    told = {
        **dict.fromkeys(OFFLINE, "1"),
        "PYTHONPATH": str(ROOT),
        "TOKENIZERS_PARALLELISM": "false",
    }
    with tempfile.TemporaryDirectory() as folder:
        program = "tests.environments.equality.kills"
        command = [libraries / "bin" / "python", "-m", program, folder, engine, kills, SEED]
        began = time.monotonic()
        subprocess.run(
            list(map(str, command)),
            check=True,
            cwd=ROOT,
            env={**os.environ, **told, "OMP_NUM_THREADS": "1"},
            capture_output=True,
        )
        found = json.loads((Path(folder) / f"kills_{engine}.json").read_text("utf-8"))
    return {**found, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    for engine in ("scripted", "hf"):
        found = measure(engine, *(sys.argv[1:2] or [KILLS]))
        print(
            f"{engine}: {found['kills']} kills, {found['completions']} runs that came to their end,"
            f" {found['seconds']} s in all, {found['usual']:.1f} s for a run without a kill"
        )
        print(f"  not the same: {found['differences'] or 'nothing'}")
