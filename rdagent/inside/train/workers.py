"""Several processes train one model: torchrun starts them, each with a device of its own.

The process that was asked looks at configuration and data with one device, hands the settled
values over in a folder, and reads there what the workers saw.  ``worker`` is what each runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rdagent.errors import JobFailed
from rdagent.files import atomic
from rdagent.inside.train.watch import LossPoint, Watch
from rdagent.records.status import InsideStatus

ORDERS = "orders.json"
DEVICES = "CUDA_VISIBLE_DEVICES"
#: What each worker may take to save what it has, before it is killed.
GRACE_SECONDS = 45.0
_OF_SEVERAL = ("deepspeed", "fsdp", "fsdp_config")
#: A worker that its siblings' end took along says nothing of why.
_TAKEN_ALONG = "cancelled"


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker says at its end."""

    rank: int
    status: InsideStatus
    points: tuple[LossPoint, ...] = ()
    steps: int = 0
    supervised_share: float | None = None
    peak_memory_bytes: int | None = None

    def write(self, folder: Path) -> None:
        """Write it where the process that started the workers looks."""
        atomic.write_json(folder / f"rank-{self.rank}.json", asdict(self))

    @classmethod
    def read(cls, path: Path) -> Report:
        """Read what a worker wrote: this program's own words."""
        document = json.loads(path.read_text("utf-8"))
        status = document["status"]
        return cls(
            rank=document["rank"],
            status=InsideStatus(status["reason"], status["message"]),
            points=tuple(LossPoint(**point) for point in document["points"]),
            steps=document["steps"],
            supervised_share=document["supervised_share"],
            peak_memory_bytes=document["peak_memory_bytes"],
        )


def see_one_device(variables: MutableMapping[str, str], processes: int) -> dict[str, str]:
    """Let this process see the first device only; returns the variables of its workers.

    To be called before torch is imported.  LLaMA-Factory refuses to read a configuration in a
    process that sees several devices and is not one of several.
    """
    theirs = dict(variables)
    if processes > 1:
        given = variables.get(DEVICES)
        variables[DEVICES] = "0" if given is None else given.split(",")[0]
    return theirs


def of_one_process(values: Mapping[str, Any], processes: int) -> Mapping[str, Any]:
    """Return the settings without those that one process alone is refused."""
    if processes == 1:
        return values
    return {name: value for name, value in values.items() if name not in _OF_SEVERAL}


def train(
    values: Mapping[str, Any],
    watch: Watch,
    *,
    processes: int,
    device: Literal["cuda", "cpu"],
    variables: Mapping[str, str],
) -> int | None:
    """Train with several processes and take over what the first one saw; returns peak memory.

    Raises JobFailed with what the first worker said that failed on its own.
    """
    with tempfile.TemporaryDirectory(prefix="workers-") as name:
        folder = Path(name)
        settled = dict(values)
        if device == "cpu":
            settled.setdefault("ddp_backend", "gloo")
        orders = {"values": settled, "trusts_gradients": watch.trusts_gradients}
        atomic.write_json(folder / ORDERS, orders)
        code = _run(command(folder, processes), environment(variables, processes, device))
        reports = [Report.read(path) for path in sorted(folder.glob("rank-*.json"))]
    if reports and reports[0].rank == 0:
        watch.points, watch.steps = list(reports[0].points), reports[0].steps
        watch.supervised_share = reports[0].supervised_share
    raise_failure(reports, processes, code)
    return _peak_memory(reports, device)


def command(folder: Path, processes: int) -> list[str]:
    """Return what starts the workers: they find each other on this machine alone.

    By address: a container without a network cannot look its own name up.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    place = ["--standalone", "--local-addr=127.0.0.1", f"--nproc-per-node={processes}"]
    worker = ["-m", "rdagent.inside.train.worker", str(folder)]
    return [*torchrun, *place, "--max-restarts=0", *worker]


def environment(
    variables: Mapping[str, str], processes: int, device: Literal["cuda", "cpu"]
) -> dict[str, str]:
    """Return what the workers are told: a job without a network has its own loopback only."""
    told = {**variables}
    told.setdefault("GLOO_SOCKET_IFNAME", "lo")
    if device == "cpu":
        cores = len(os.sched_getaffinity(0))
        told.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))
    return told


def _run(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run to the end; whatever ends this process ends the workers too."""
    process = subprocess.Popen(list(arguments), env=dict(variables))
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            process.kill()


def raise_failure(reports: Sequence[Report], processes: int, code: int) -> None:
    """Raise JobFailed unless every worker reported that all went well."""
    failed = [report for report in reports if report.status.reason != "ok"]
    own = [report for report in failed if report.status.reason != _TAKEN_ALONG] or failed
    if own:
        first = own[0]
        raise JobFailed(
            f"process {first.rank} of {processes}: {first.status.message}",
            reason=first.status.reason,
            exit_code=6,
        )
    if code or len(reports) != processes:
        raise JobFailed(
            f"{processes - len(reports)} of {processes} processes ended without a word,"
            f" torchrun with {code}",
            reason="command_failed",
            exit_code=6,
            hint="A process that is killed says nothing: look at the log, and at the memory.",
        )


def _peak_memory(reports: Sequence[Report], device: Literal["cuda", "cpu"]) -> int | None:
    """Return the most that one GPU held; on a CPU all processes share the memory."""
    peaks = [each.peak_memory_bytes for each in reports if each.peak_memory_bytes is not None]
    if not peaks:
        return None
    return max(peaks) if device == "cuda" else sum(peaks)
