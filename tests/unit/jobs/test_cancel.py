"""Ending a run from another process: by its supervisor, or in its place when that is dead."""

import threading

import pytest

from rdagent.errors import InfrastructureError
from rdagent.files.locks import file_lock
from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.jobs.cancel import ask_to_stop, cancel_run, is_being_run
from rdagent.jobs.runs import open_run
from rdagent.jobs.spec import JobSpec, Limits
from rdagent.jobs.supervisor import Watch, run_job

LIMITS = Limits(deadline_seconds=30, grace_seconds=1, memory_bytes=1 << 20, cpus=1)
SPEC = JobSpec("train", ("x",), LIMITS)


@pytest.fixture
def run(tmp_path):
    return open_run(tmp_path / "runs", {"kind": "test"})


def test_a_running_job_is_ended_by_its_own_supervisor(run):
    backend = FakeBackend({("x",): Program(seconds=60)})
    asked = []

    def look(attempt):
        asked.append(ask_to_stop(run.attempts))

    end = run_job(backend, SPEC, run.attempts, run.run_id, Watch(on_poll=look))
    assert (end.outcome.reason, end.interrupted) == ("cancelled", False)
    assert asked[0]
    assert not (run.attempts / "cancel").exists()


def test_asking_where_nothing_runs_leaves_nothing(run):
    run.attempts.mkdir()
    assert not ask_to_stop(run.attempts)
    assert list(run.attempts.iterdir()) == []


def test_a_marker_meant_for_an_earlier_job_does_not_end_the_next(run):
    run.attempts.mkdir()
    (run.attempts / "cancel").touch()
    backend = FakeBackend({("x",): Program(seconds=0.5)})
    assert run_job(backend, SPEC, run.attempts, run.run_id).outcome.ok


def test_a_run_whose_process_is_dead_is_marked_as_cancelled(run):
    status = cancel_run(run, FakeBackend({}))
    assert (status.status, status.reason) == ("cancelled", "cancelled")
    assert run.status() == status


def test_a_run_that_has_ended_is_left_as_it_is(run):
    done = run.finish("ok")
    assert cancel_run(run, None) == done


def test_cancelling_waits_until_the_run_has_written_its_end(run):
    backend = FakeBackend({("x",): Program(seconds=60)})

    def supervise():
        end = run_job(backend, SPEC, run.attempts, run.run_id, Watch(on_poll=lambda _: up.set()))
        run.finish(end.outcome.reason)

    up = threading.Event()
    thread = threading.Thread(target=supervise)
    thread.start()
    up.wait(10)
    status = cancel_run(run, backend)
    thread.join()
    assert (status.status, backend.found()) == ("cancelled", [])


def test_a_run_that_does_not_end_in_time_is_said(run):
    with (
        file_lock(run.attempts / ".lock"),
        pytest.raises(InfrastructureError, match="has not ended"),
    ):
        cancel_run(run, None, wait_seconds=0.1)
    assert not is_being_run(run)
