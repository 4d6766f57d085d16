"""Several processes that train one model, with stand-ins for torchrun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rdagent.errors import JobFailed
from rdagent.inside.train import workers
from rdagent.inside.train.watch import LossPoint, Watch
from rdagent.inside.train.workers import Report, raise_failure, see_one_device
from rdagent.records.status import InsideStatus

POINT = LossPoint(10, 0.5, 1.25, 0.1, 1e-3)
OK = InsideStatus("ok")

#: Writes a report for each of two ranks, then ends with a code.
_WORKERS = """
import json, sys
from pathlib import Path
folder, code = Path(sys.argv[1]), int(sys.argv[2])
for rank in range(2):
    status = {"reason": "ok", "message": "", "parts": []}
    point = {"step": 10, "epoch": 0.5, "loss": 1.0 + rank, "grad_norm": None, "learning_rate": 1e-3}
    report = {"rank": rank, "status": status, "points": [point], "steps": 12,
              "supervised_share": 0.25, "peak_memory_bytes": 100 + rank}
    (folder / f"rank-{rank}.json").write_text(json.dumps(report))
sys.exit(code)
"""


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a program of ours in torchrun's place; returns the code that it ends with."""
    code = ["0"]
    monkeypatch.setattr(
        workers,
        "command",
        lambda folder, processes: [sys.executable, "-c", _WORKERS, str(folder), *code],
    )
    return code


def train(watch: Watch) -> int | None:
    return workers.train({}, watch, processes=2, device="cpu", variables=dict(os.environ))


def test_what_the_first_process_saw_is_what_the_training_saw(stand_in: list[str]) -> None:
    watch = Watch()
    assert train(watch) == 201
    assert [point.loss for point in watch.points] == [1.0]
    assert (watch.steps, watch.supervised_share) == (12, 0.25)


def test_torchrun_that_ends_badly_is_a_failure(stand_in: list[str]) -> None:
    stand_in[0] = "1"
    with pytest.raises(JobFailed, match="torchrun with 1"):
        train(Watch())


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = Report(1, InsideStatus("out_of_memory", "full"), (POINT,), 10, 0.5, 7)
    report.write(tmp_path)
    assert Report.read(tmp_path / "rank-1.json") == report


def test_the_process_that_failed_first_speaks_for_those_that_it_took_along() -> None:
    reports = [
        Report(0, InsideStatus("cancelled", "stopped by SIGTERM")),
        Report(1, InsideStatus("out_of_memory", "no memory is left")),
    ]
    with pytest.raises(JobFailed, match="process 1 of 2: no memory is left") as raised:
        raise_failure(reports, 2, 1)
    assert raised.value.reason == "out_of_memory"


def test_a_process_that_was_killed_is_missed() -> None:
    with pytest.raises(JobFailed, match="1 of 2 processes ended without a word"):
        raise_failure([Report(0, OK)], 2, 0)


def test_two_processes_that_end_well_are_no_failure() -> None:
    raise_failure([Report(0, OK), Report(1, OK)], 2, 0)


@pytest.mark.parametrize(
    ("given", "own"), [(None, "0"), ("2,3", "2"), ("GPU-a,GPU-b", "GPU-a"), ("", "")]
)
def test_the_process_that_looks_at_the_data_sees_one_device(given: str | None, own: str) -> None:
    variables = {} if given is None else {workers.DEVICES: given}
    theirs = see_one_device(variables, 2)
    assert variables[workers.DEVICES] == own
    assert theirs.get(workers.DEVICES) == given


def test_one_process_sees_what_it_was_given() -> None:
    variables = {workers.DEVICES: "2,3"}
    see_one_device(variables, 1)
    assert variables == {workers.DEVICES: "2,3"}


def test_what_shards_a_model_is_not_asked_of_one_process_of_several() -> None:
    values = {"deepspeed": "zero.json", "seed": 1}
    assert dict(workers.of_one_process(values, 2)) == {"seed": 1}
    assert dict(workers.of_one_process(values, 1)) == values


def test_cores_are_shared_out_and_a_users_number_stays() -> None:
    cores = len(os.sched_getaffinity(0))
    assert workers.environment({}, 2, "cpu")["OMP_NUM_THREADS"] == str(max(1, cores // 2))
    assert workers.environment({"OMP_NUM_THREADS": "3"}, 2, "cpu")["OMP_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in workers.environment({}, 2, "cuda")


def test_the_settled_values_reach_the_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "orders.json"
    keep = "import shutil, sys; shutil.copy(sys.argv[1] + '/orders.json', sys.argv[2])"
    monkeypatch.setattr(
        workers,
        "command",
        lambda folder, processes: [sys.executable, "-c", keep, str(folder), str(kept)],
    )
    with pytest.raises(JobFailed):
        workers.train(
            {"seed": 3},
            Watch(trusts_gradients=False),
            processes=2,
            device="cpu",
            variables=dict(os.environ),
        )
    orders = json.loads(kept.read_text())
    assert orders == {"values": {"seed": 3, "ddp_backend": "gloo"}, "trusts_gradients": False}


_PARENT = """
import sys
from rdagent.inside.train import __main__ as program, workers
import signal
signal.signal(signal.SIGTERM, program._stop)
workers.command = lambda folder, processes: [sys.executable, "-c", sys.argv[1]]
from rdagent.inside.train.watch import Watch
import os
workers.train({}, Watch(), processes=2, device="cpu", variables=dict(os.environ))
"""


def test_whoever_ends_the_training_ends_its_workers(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    child = f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, child], stderr=subprocess.DEVNULL)
    while not file.exists() or not file.read_text():
        time.sleep(0.02)
    worker = int(file.read_text())
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(60) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
