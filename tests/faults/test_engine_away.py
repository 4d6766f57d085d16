"""The engine goes away while a job runs, or something outside ends or pauses the job."""

import signal
import threading
import time

import pytest

from rdagent.errors import EngineUnavailable, InfrastructureError
from rdagent.jobs import attempt, supervisor
from rdagent.jobs.supervisor import Watch
from tests.faults.conftest import WRITE_STATUS

pytestmark = pytest.mark.engine
WANTED = {"results": ("status.json",)}


def once(action):
    """A poll that does something, in another thread, as soon as the job has printed a line."""
    started = threading.Event()

    def look(folder):
        log = folder / "log.txt"
        if not started.is_set() and log.exists() and b"begun" in log.read_bytes():
            started.set()
            threading.Thread(target=action, daemon=True).start()

    return Watch(on_poll=look)


def restart(engine, number=signal.SIGTERM, *, live_restore=False):
    def go():
        engine.end(number)
        time.sleep(0.5)
        engine.start(live_restore=live_restore)

    return go


@pytest.fixture
def live_restore(engine):
    """The private engine, told to keep containers alive while it is away."""
    engine.end()
    engine.start(live_restore=True)
    yield engine
    engine.end()
    engine.start()


def test_a_job_that_a_restart_ended_is_run_again_in_a_fresh_attempt(bench, engine):
    script = f"echo begun; [ -e /job/scratch/never ] || sleep 4; {WRITE_STATUS}"
    end = bench.run(script, once(restart(engine)), **WANTED)
    assert (end.outcome.reason, end.tries, end.attempt.name) == ("ok", 2, "002")
    assert not (bench.folder / "001" / "out" / "status.json").exists()


def test_a_job_that_every_restart_ends_is_given_up_after_three_tries(bench, engine, monkeypatch):
    monkeypatch.setattr(supervisor, "RETRIES", 0)
    end = bench.run("echo begun; sleep 60", once(restart(engine)))
    assert (end.outcome.reason, end.outcome.exit_code) == ("engine_restarted", 5)
    assert "run it again" in end.outcome.hint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_with_live_restore_a_job_goes_on_and_is_followed_again(bench, live_restore, number):
    script = f"echo begun; for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 1; done; {WRITE_STATUS}"
    watch = once(restart(live_restore, number, live_restore=True))
    end = bench.run(script, watch, **WANTED)
    assert (end.outcome.reason, end.tries) == ("ok", 1), end.message
    lines = end.log.read_text().split("\n")
    assert [line for line in lines if line] == ["begun", *(f"line {i}" for i in range(1, 9))]


def test_an_engine_that_does_not_come_back_is_waited_for_a_bounded_time(bench, engine, monkeypatch):
    monkeypatch.setattr(attempt, "UNREACHABLE_SECONDS", 1.5)
    end = bench.run("echo begun; sleep 60", once(engine.end))
    assert (end.outcome.reason, end.outcome.exit_code) == ("engine_restarted", 5)
    assert "no longer answers" in end.message
    assert "doctor" in end.outcome.hint
    assert end.tries == 1
    engine.start()
    assert bench.run("true").outcome.ok  # the next start removes what the engine still had
    assert engine.containers() == []


def test_what_a_lost_engine_still_had_is_removed_at_the_next_start(bench, engine, monkeypatch):
    monkeypatch.setattr(attempt, "UNREACHABLE_SECONDS", 1.5)
    engine.end()
    engine.start(live_restore=True)
    bench.run("echo begun; sleep 60", once(lambda: engine.end(signal.SIGKILL)))
    engine.start(live_restore=True)
    assert len(engine.containers()) == 1
    assert bench.run("true").outcome.ok
    assert engine.containers() == []
    engine.end()
    engine.start()


def test_an_engine_that_is_not_there_at_the_start_is_said_after_three_tries(
    bench, engine, monkeypatch
):
    monkeypatch.setattr(supervisor, "RETRY_PAUSE_SECONDS", 0)
    engine.end()
    with pytest.raises(EngineUnavailable) as caught:
        bench.run("true")
    assert caught.value.exit_code == 5
    assert "doctor" in caught.value.hint


def test_a_socket_that_may_not_be_used_is_said(bench, monkeypatch):
    monkeypatch.setattr(supervisor, "RETRY_PAUSE_SECONDS", 0)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(EngineUnavailable, match="no container engine answers"):
        bench.run("true")


def outside(engine, verb, **arguments):
    def go():
        with engine.connected() as client:
            (row,) = client.containers()
            getattr(client, verb)(row["Id"], **arguments)

    return go


def test_a_job_killed_from_outside_is_named_so_and_not_run_again(bench, engine):
    end = bench.run("echo begun; sleep 60", once(outside(engine, "kill")))
    assert (end.outcome.reason, end.exit_code, end.tries) == ("killed_externally", 137, 1)


def test_a_job_removed_from_outside_is_named_so(bench, engine):
    gone = outside(engine, "remove_container", force=True)
    end = bench.run("echo begun; sleep 60", once(gone))
    assert (end.outcome.reason, end.tries) == ("killed_externally", 1)


@pytest.mark.parametrize("deaf", ["", "trap '' TERM; "])
def test_a_job_that_is_paused_at_its_deadline_still_ends(bench, engine, deaf):
    script = f"{deaf}echo begun; while :; do sleep 0.2; done"
    end = bench.run(script, once(outside(engine, "pause")), deadline_seconds=4)
    assert (end.outcome.reason, end.outcome.exit_code) == ("timeout", 124)


def test_an_image_removed_between_check_and_create_is_named(bench, engine, monkeypatch):
    from rdagent.jobs.backends.docker import DockerBackend

    monkeypatch.setattr(supervisor, "RETRY_PAUSE_SECONDS", 0)
    monkeypatch.setattr(DockerBackend, "check", lambda self, spec: None)
    with pytest.raises(InfrastructureError, match="is not there") as caught:
        bench.run("true", image="rdagent-faults:gone")
    assert "rdagent build" in caught.value.hint


def test_a_container_of_the_same_name_is_replaced_and_not_doubled(bench, engine):
    from rdagent.jobs.backends.docker import DockerBackend

    real = DockerBackend.create

    def twice(self, job):
        real(self, job)
        return real(self, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DockerBackend, "create", twice)
        assert bench.run("true").outcome.ok
