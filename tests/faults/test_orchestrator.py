"""The process that runs a job is interrupted or killed, and started again."""

import json
import signal
import time

import pytest

from rdagent.files.locks import is_held
from tests.faults.conftest import left_behind

pytestmark = pytest.mark.engine
LONG = "echo begun; for i in $(seq 600); do echo line $i; sleep 0.1; done"
SHORT = "echo begun; sleep 4; echo the end"


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def running(orchestrator, process):
    """Wait until its job has printed something."""

    def begun():
        assert process.poll() is None, process.communicate()
        logs = orchestrator.folder.glob("runs/*/attempts/*/log.txt")
        return any("begun" in log.read_text(errors="replace") for log in logs)

    wait_for(begun)


def nothing_is_left(orchestrator, engine):
    assert engine.containers() == []
    assert left_behind(orchestrator.folder) == []
    assert not any(map(is_held, orchestrator.folder.rglob("*.lock")))


def statuses(orchestrator):
    return [
        json.loads(path.read_text())["reason"]
        for path in sorted(orchestrator.folder.glob("runs/*/status.json"))
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_job_and_the_run_is_cancelled(orchestrator, engine, number):
    process = orchestrator.begin(LONG)
    running(orchestrator, process)
    process.send_signal(number)
    said = orchestrator.ended(process)
    assert (said["reason"], said["status"], said["code"]) == ("cancelled", "cancelled", 130)
    assert "same command runs the rest" in said["hint"]
    assert statuses(orchestrator) == ["cancelled"]
    nothing_is_left(orchestrator, engine)


def test_a_second_ctrl_c_ends_a_deaf_job_without_its_grace(orchestrator, engine):
    process = orchestrator.begin(f"trap '' TERM; {LONG}", "--grace", "600")
    running(orchestrator, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    said = orchestrator.ended(process)
    assert (said["reason"], said["code"]) == ("cancelled", 130)
    nothing_is_left(orchestrator, engine)


def test_a_burst_of_signals_at_any_moment_leaves_one_end(orchestrator, engine):
    process = orchestrator.begin(LONG)
    wait_for(lambda: list(orchestrator.folder.glob("runs/*/attempts/*/running.json")))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGINT):
        process.send_signal(number)
    said = orchestrator.ended(process)
    assert (said["reason"], said["code"]) == ("cancelled", 130)
    assert statuses(orchestrator) == ["cancelled"]
    nothing_is_left(orchestrator, engine)


def test_killed_between_create_and_start_the_container_is_removed_and_the_job_run(
    orchestrator, engine
):
    first = orchestrator.ended(orchestrator.begin(SHORT, "--die-at", "create"))
    assert first["code"] == -signal.SIGKILL
    assert [row["State"] for row in engine.containers()] == ["created"]
    said = orchestrator.ended(orchestrator.begin(SHORT))
    assert (said["reason"], said["adopted"], said["attempt"]) == ("ok", False, "002")
    assert statuses(orchestrator) == ["ok"]
    nothing_is_left(orchestrator, engine)


def test_killed_right_after_start_the_job_is_taken_over(orchestrator, engine):
    orchestrator.ended(orchestrator.begin(SHORT, "--die-at", "start"))
    said = orchestrator.ended(orchestrator.begin(SHORT))
    assert (said["reason"], said["adopted"], said["attempt"]) == ("ok", True, "001")
    assert said["log"].split() == ["begun", "the", "end"]
    nothing_is_left(orchestrator, engine)


def test_killed_while_the_job_runs_it_is_taken_over_with_its_log_whole(orchestrator, engine):
    script = "echo begun; for i in $(seq 40); do echo line $i; sleep 0.1; done"
    process = orchestrator.begin(script)
    running(orchestrator, process)
    process.kill()
    orchestrator.ended(process)
    said = orchestrator.ended(orchestrator.begin(script))
    assert (said["reason"], said["adopted"]) == ("ok", True)
    assert said["log"].splitlines() == ["begun", *(f"line {i}" for i in range(1, 41))]
    assert len(orchestrator.runs()) == 1
    nothing_is_left(orchestrator, engine)


def test_a_job_taken_over_ends_at_the_deadline_it_began_with(orchestrator, engine):
    process = orchestrator.begin(LONG, "--deadline", "5")
    running(orchestrator, process)
    process.kill()
    orchestrator.ended(process)
    said = orchestrator.ended(orchestrator.begin(LONG, "--deadline", "500"))
    assert (said["reason"], said["adopted"], said["code"]) == ("timeout", True, 124)
    nothing_is_left(orchestrator, engine)


def test_a_job_that_ended_after_its_process_was_killed_is_not_run_again(orchestrator, engine):
    process = orchestrator.begin(SHORT)
    running(orchestrator, process)
    process.kill()
    orchestrator.ended(process)
    wait_for(lambda: [row["State"] for row in engine.containers()] == ["exited"])
    said = orchestrator.ended(orchestrator.begin(SHORT))
    assert (said["reason"], said["adopted"], said["attempt"]) == ("ok", True, "001")
    assert said["log"].split() == ["begun", "the", "end"]
    nothing_is_left(orchestrator, engine)


def test_another_request_removes_what_a_killed_process_left(orchestrator, engine):
    process = orchestrator.begin(LONG)
    running(orchestrator, process)
    process.kill()
    orchestrator.ended(process)
    said = orchestrator.ended(orchestrator.begin("echo other"))
    assert said["reason"] == "ok"
    assert engine.containers() == []


def test_two_new_starts_at_once_take_a_job_over_once(orchestrator, engine):
    process = orchestrator.begin(SHORT)
    running(orchestrator, process)
    process.kill()
    orchestrator.ended(process)
    both = [orchestrator.begin(SHORT) for _ in range(2)]
    said = [orchestrator.ended(each) for each in both]
    assert [each["code"] for each in said] == [0, 0]
    assert [each["adopted"] for each in said].count(True) == 1
    nothing_is_left(orchestrator, engine)


def test_a_job_that_is_watched_is_not_removed_by_another_start(orchestrator, engine):
    first = orchestrator.begin(SHORT)
    running(orchestrator, first)
    assert orchestrator.ended(orchestrator.begin("echo other"))["reason"] == "ok"
    said = orchestrator.ended(first)
    assert (said["reason"], said["log"].split()) == ("ok", ["begun", "the", "end"])
    nothing_is_left(orchestrator, engine)


def test_a_run_is_cancelled_from_another_process(orchestrator, engine):
    from rdagent.jobs.cancel import cancel_run
    from rdagent.jobs.runs import load_run

    process = orchestrator.begin(LONG)
    running(orchestrator, process)
    (run,) = map(load_run, orchestrator.runs())
    assert cancel_run(run, None).reason == "cancelled"
    assert orchestrator.ended(process)["code"] == 130
    nothing_is_left(orchestrator, engine)


def test_a_run_whose_process_was_killed_is_cancelled_with_its_job(orchestrator, engine):
    from rdagent.jobs.backends.docker import DockerBackend
    from rdagent.jobs.cancel import cancel_run
    from rdagent.jobs.runs import load_run

    process = orchestrator.begin(LONG)
    running(orchestrator, process)
    process.kill()
    orchestrator.ended(process)
    (run,) = map(load_run, orchestrator.runs())
    assert cancel_run(run, DockerBackend()).reason == "cancelled"
    assert engine.containers() == []
    assert left_behind(orchestrator.folder / "runs" / run.run_id / "attempts" / "002") == []
