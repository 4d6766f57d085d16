"""How much the host side costs: imports, help, finding that nothing changed, one empty job.

``python benchmarks/startup.py`` prints medians and, in the same run, each one's ratio
to the nearest thing that does not involve this package.  Needs an engine and images.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rdagent.jobs.backends.docker import DockerBackend
from rdagent.jobs.images import ensure_base, ensure_image
from rdagent.jobs.spec import JobSpec, Limits
from rdagent.jobs.supervisor import run_job

ROUNDS = 9


def median_seconds(action: Callable[[], object]) -> float:
    """Time an action several times after one warm-up and return the median."""
    action()
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def python(code: str) -> Callable[[], object]:
    """Return an action that runs a fresh interpreter."""
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def command(*words: str) -> Callable[[], object]:
    """Return an action that runs a command and throws its output away."""
    return lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def empty_job(image: str, folder: Path) -> Callable[[], object]:
    """Return an action that runs ``true`` as a job, hardened and supervised."""
    limits = Limits(60, 1, memory_bytes=256 << 20, cpus=1, shm_bytes=16 << 20)
    spec = JobSpec("train", ("true",), limits, image=image)
    return lambda: run_job(DockerBackend(), spec, folder, "bench")


def report(name: str, seconds: float, beside: str, reference: float) -> None:
    """Print one row."""
    print(f"| {name} | {seconds * 1000:.0f} ms | {seconds / reference:.1f} x {beside} |")


def main() -> None:
    """Measure and print a table."""
    image = ensure_base(progress=lambda line: None).name
    bare = median_seconds(python("pass"))
    rdagent = str(Path(sys.executable).with_name("rdagent"))
    plain = median_seconds(
        command("docker", "run", "--rm", "--network", "none", "--init", image, "true")
    )
    print("| what | median | in the same run |\n| --- | --- | --- |")
    report("an interpreter that does nothing", bare, "itself", bare)
    report("import rdagent", median_seconds(python("import rdagent")), "that", bare)
    public = "import rdagent.scenarios.finetune.train.benchmark"
    report("import the public door", median_seconds(python(public)), "that", bare)
    report("rdagent --help", median_seconds(command(rdagent, "--help")), "that", bare)
    for role in ("train", "lm-eval"):
        seconds = median_seconds(lambda role=role: ensure_image(role, progress=lambda line: None))
        report(f"image {role}: nothing changed", seconds, "that", bare)
    report("docker run of `true`", plain, "itself", plain)
    with tempfile.TemporaryDirectory() as folder:
        ours = median_seconds(empty_job(image, Path(folder)))
    report("a job of `true`", ours, "docker run", plain)


if __name__ == "__main__":
    main()
