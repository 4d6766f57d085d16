"""What a kill at half costs, and what asking again costs: ``python benchmarks/resume.py``.

Without a container engine: the command and its job are killed with -9 when half of the
answers are there; the same command then finishes the run, and a third time reads it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rdagent.demo import mini_home, paths

WORDS = [sys.executable, "-m", "rdagent.cli.main", "eval", "--base-model", str(paths.MODEL)]
WORDS += ["--tasks", mini_home.TASK, "--include", str(paths.TASK_FOLDER), "--json"]


def answered(place: Path) -> int:
    """Return how many answers are on the disk."""
    ledgers = place.glob("runs/2*/attempts/*/out/variants/base/ledger.jsonl")
    return max((path.read_bytes().count(b"\n") for path in ledgers), default=0)


def jobs_of(place: Path) -> list[int]:
    """Return the processes whose environment names this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            named = f"FT_FILE_PATH={place}".encode() in (entry / "environ").read_bytes()
            inside = str(place).encode() in (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdecimal() and (named or inside) and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def finish(environment: dict[str, str]) -> tuple[dict[str, int], float]:
    """Run the command to its end; returns where its answers came from, and its seconds."""
    began = time.perf_counter()
    done = subprocess.run(
        WORDS, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    (variant,) = json.loads(done.stdout)["variants"]
    return variant["answers"], time.perf_counter() - began


def main() -> None:
    """Kill, go on, read again, and print what each took."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        environment = {**os.environ, "FT_ENV": "local", "FT_FILE_PATH": name}
        process = subprocess.Popen(
            WORDS, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while answered(place) < 150 and process.poll() is None:
            time.sleep(0.01)
        for number in [process.pid, *jobs_of(place)]:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()
        before = answered(place)
        answers, seconds = finish(environment)
        again, read = finish(environment)
    print("| | answers | seconds |\n| --- | --- | --- |")
    print(f"| on the disk at the kill | {before} | |")
    print(f"| taken up | {answers['resumed']} of {answers['asked']} | {seconds:.1f} |")
    print(f"| asked twice | {max(before - answers['resumed'], 0)} | |")
    print(f"| the same command once more | {again['asked']} from the record | {read:.2f} |")


if __name__ == "__main__":
    main()
