"""A disk that is full or closed: the end is written, with its reason, whatever happens."""

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from rdagent.errors import DiskFull, RefusedError
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.jobs.runs import open_run
from rdagent.jobs.supervisor import run_job
from tests.faults.conftest import WRITE_STATUS, Bench, left_behind

pytestmark = pytest.mark.engine


@pytest.fixture
def small_disk(engine, tmp_path):
    """A disk of three megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=755", "tmpfs", str(place)]
    subprocess.run(argv, check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def whole_run(engine, disk: Path, script: str, **changes):
    """Run a job as a run does, from its folder to its status."""
    bench = Bench(engine, disk)
    run = open_run(disk / "runs", {"kind": "fault", "script": script})
    with run.ends_with_its_errors():
        end = run_job(DockerBackend(), bench.spec(script, **changes), run.attempts, run.run_id)
        status = run.finish(end.outcome.reason, end.message)
    assert run.status() == status
    assert left_behind(disk) == []
    return end, status


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as sink, suppress(OSError):
        while True:
            sink.write(b"x" * 4096)


def test_a_disk_that_is_full_of_log_costs_the_log_and_not_the_job(engine, small_disk):
    end, status = whole_run(
        engine, small_disk, "head -c 9000000 /dev/zero | tr '\\0' x; echo; echo end"
    )
    assert (status.reason, status.exit_code) == ("ok", 0)
    assert end.log.stat().st_size < 3 << 20


def test_results_that_found_no_room_are_a_full_disk_and_not_a_failing_program(engine, small_disk):
    script = "head -c 9000000 /dev/zero > large || exit 1"
    _, status = whole_run(engine, small_disk, script, results=("status.json",))
    assert (status.reason, status.exit_code) == ("disk_full", 5)
    assert "Free some space" in status.hint


def test_results_cut_short_by_a_full_disk_are_named_so_though_the_program_ended_well(
    engine, small_disk
):
    script = f"head -c 9000000 /dev/zero > large; {WRITE_STATUS}; true"
    _, status = whole_run(engine, small_disk, script, results=("status.json",))
    assert status.reason == "disk_full"


def test_a_disk_that_is_full_from_the_start_is_said_before_anything_starts(engine, small_disk):
    (small_disk / "runs").mkdir()
    fill(small_disk)
    with pytest.raises(DiskFull, match="disk is full") as caught:
        whole_run(engine, small_disk, "true")
    assert caught.value.exit_code == 5
    assert "RDAGENT_RUNS" in caught.value.hint


def test_a_disk_that_fills_up_between_request_and_attempt_ends_the_run(engine, small_disk):
    bench = Bench(engine, small_disk)
    run = open_run(small_disk / "runs", {"kind": "fault"})
    (small_disk / "spare").write_bytes(b"x" * 8192)
    fill(small_disk)
    (small_disk / "spare").unlink()
    with pytest.raises(DiskFull), run.ends_with_its_errors():
        run_job(DockerBackend(), bench.spec("true"), run.attempts, run.run_id)
    status = run.status()
    assert status is None or status.reason == "disk_full"
    assert left_behind(small_disk) == []


def test_a_place_that_cannot_be_written_is_refused_with_another_place(engine, small_disk):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(RefusedError, match="cannot be written") as caught:
        whole_run(engine, small_disk, "true")
    assert "RDAGENT_RUNS" in caught.value.hint
