"""A process that runs one job as the command line does, for tests that kill it.

usage: orchestrator.py FOLDER SCRIPT [--die-at create|start] [--deadline SECONDS] [--mark FILE]
Prints one JSON object on how the job ended; the exit code is the run's.
"""

import argparse
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from rdagent.errors import RDAgentError
from rdagent.files.locks import file_lock
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.jobs.interrupts import signals_as_flags
from rdagent.jobs.runs import identity_of, lock_of, open_run
from rdagent.jobs.spec import JobSpec, Limits
from rdagent.jobs.supervisor import Watch, run_job
from tests.faults.private_engine import IMAGE


class Dying(DockerBackend):
    """Ends this process without a word right after a step."""

    def __init__(self, step: str | None) -> None:
        super().__init__()
        self._step = step

    def create(self, job):
        made = super().create(job)
        self._die("create")
        return made

    def start(self, identifier):
        super().start(identifier)
        self._die("start")

    def _die(self, step):
        if step == self._step:
            os.kill(os.getpid(), signal.SIGKILL)


def _most_memory() -> int:
    """Return the most memory that this program took; getrusage would count who started it."""
    with open("/proc/self/status", encoding="ascii") as status:
        (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("script")
    parser.add_argument("--die-at")
    parser.add_argument("--deadline", type=float, default=60)
    parser.add_argument("--grace", type=float, default=1)
    parser.add_argument("--mark", type=Path)
    given = parser.parse_args()
    limits = Limits(given.deadline, given.grace, 256 << 20, 1, shm_bytes=16 << 20)
    spec = JobSpec("lm-eval", ("sh", "-c", given.script), limits, image=IMAGE)
    asked = {"kind": "fault", "script": given.script}
    root = given.folder / "runs"

    def look(attempt: Path) -> None:
        if given.mark:
            given.mark.touch()

    try:
        with file_lock(lock_of(root, identity_of(asked))):
            run = open_run(root, asked)
            with signals_as_flags(), run.ends_with_its_errors():
                backend = Dying(given.die_at)
                end = run_job(backend, spec, run.attempts, run.run_id, Watch(look))
                status = run.finish(end.outcome.reason, end.message)
    except RDAgentError as error:
        print(json.dumps({"error": error.message, "hint": error.hint}))
        return error.exit_code
    print(
        json.dumps(
            {
                "reason": status.reason,
                "status": status.status,
                "hint": status.hint,
                "adopted": end.adopted,
                "attempt": end.attempt.name,
                "seconds": end.seconds,
                "most_memory": _most_memory(),
                "log_bytes": end.log.stat().st_size,
                "log": end.log.read_text(errors="replace")
                if end.log.stat().st_size < 1 << 20
                else "",
            }
        )
    )
    return status.exit_code


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
