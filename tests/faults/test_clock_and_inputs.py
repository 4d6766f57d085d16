"""A clock that is set while a job runs, and inputs that may not or cannot be mounted."""

import time

import pytest

from rdagent.errors import RefusedError
from rdagent.jobs.spec import Mount
from rdagent.jobs.supervisor import Watch
from tests.faults.conftest import WRITE_STATUS

pytestmark = pytest.mark.engine
HOUR = 3600.0
COUNTS = "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; sleep 0.3; done"


@pytest.fixture
def stepping(monkeypatch):
    """What this process takes for the time; the engine's own clock stays."""
    real, step = time.time, {"seconds": 0.0}
    monkeypatch.setattr(time, "time", lambda: real() + step["seconds"])

    def watch(seconds):
        def look(folder):
            log = folder / "log.txt"
            if log.exists() and b"line 3" in log.read_bytes():
                step["seconds"] = seconds

        return Watch(on_poll=look)

    return watch


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_step_of_the_clock_neither_ends_a_job_nor_costs_or_doubles_its_log(
    bench, stepping, seconds
):
    end = bench.run(f"{COUNTS}; {WRITE_STATUS}", stepping(seconds), results=("status.json",))
    assert end.outcome.reason == "ok"
    assert end.log.read_text().split("\n") == [*(f"line {i}" for i in range(1, 10)), ""]


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_step_of_the_clock_does_not_move_the_deadline(bench, stepping, seconds):
    end = bench.run(f"{COUNTS}; sleep 60", stepping(seconds), deadline_seconds=5)
    assert end.outcome.reason == "timeout"
    assert end.seconds >= 5
    assert "line 9" in end.log.read_text()


def test_an_input_that_the_jobs_user_cannot_read_is_named(bench, tmp_path):
    secret = tmp_path / "only mine 秘密"
    secret.mkdir(mode=0o700)
    (secret / "model.safetensors").write_bytes(b"x")
    with pytest.raises(RefusedError, match="秘密"):
        bench.run("true", mounts=(Mount("model", str(secret), "/model"),))


@pytest.mark.parametrize("target", ["/", "/proc", "/run", "/var/run/docker.sock"])
@pytest.mark.parametrize("way", ["itself", "a link", "dots"])
def test_a_source_that_leads_to_the_hosts_own_is_refused(bench, tmp_path, target, way):
    source = target
    if way == "a link":
        (tmp_path / "data").symlink_to(target)
        source = str(tmp_path / "data")
    elif way == "dots":
        source = f"{tmp_path}/{'../' * 20}{target.lstrip('/')}"
    with pytest.raises(RefusedError):
        bench.run("true", mounts=(Mount("data", source, "/data"),))
