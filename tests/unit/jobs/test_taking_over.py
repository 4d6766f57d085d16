"""What a killed process left: taken over with its original deadline, or removed."""

import json
import threading
import time
from dataclasses import replace

import pytest

from rdagent.jobs import attempt as attempt_module
from rdagent.jobs.backends.base import PreparedJob
from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.jobs.running import Running, read_running
from rdagent.jobs.spec import JobSpec, Limits
from rdagent.jobs.supervisor import run_job

LIMITS = Limits(deadline_seconds=30, grace_seconds=1, memory_bytes=1 << 20, cpus=1)
SPEC = JobSpec("train", ("x",), LIMITS)


class Killed(BaseException):
    """Stands for ``kill -9``: nothing after it runs."""


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """Begin a job and die at a step, as ``kill -9`` would."""

    def die_at(step, program, spec=SPEC):
        backend = FakeBackend({("x",): program})
        with monkeypatch.context() as patch:
            real = getattr(FakeBackend, step)

            def dying(self, *arguments):
                real(self, *arguments)
                raise Killed

            patch.setattr(FakeBackend, step, dying)
            for name in ("_remove",):
                patch.setattr(attempt_module.Attempt, name, lambda *_: False)
            with pytest.raises(Killed):
                run_job(backend, spec, tmp_path, "r")
        return backend

    return die_at


def test_a_job_that_still_runs_is_taken_over_and_not_begun_again(tmp_path, killed):
    backend = killed("start", Program(seconds=0.6, prints=(b"hello\n",)))
    end = run_job(backend, SPEC, tmp_path, "r")
    assert (end.outcome.reason, end.adopted, end.attempt.name) == ("ok", True, "001")
    assert (len(backend.created), backend.found()) == (1, [])
    assert end.log.read_bytes() == b"hello\n"
    assert not (end.attempt / "running.json").exists()


def test_a_job_that_ended_while_nobody_watched_is_not_begun_again(tmp_path, killed):
    backend = killed("start", Program(exit_code=3))
    end = run_job(backend, SPEC, tmp_path, "r")
    assert (end.exit_code, end.adopted, len(backend.created)) == (3, True, 1)


def test_a_job_that_was_made_and_never_started_is_removed(tmp_path, killed):
    backend = killed("create", Program())
    assert len(backend.found()) == 1
    end = run_job(backend, SPEC, tmp_path, "r")
    assert (end.adopted, end.attempt.name, backend.found()) == (False, "002", [])
    assert not (tmp_path / "001" / "running.json").exists()
    assert not (tmp_path / "001" / ".reserve").exists()


def test_the_deadline_of_a_job_taken_over_is_the_one_it_began_with(tmp_path, killed):
    spec = replace(SPEC, limits=replace(LIMITS, deadline_seconds=0.5))
    backend = killed("start", Program(seconds=60), spec)
    longer = replace(SPEC, limits=replace(LIMITS, deadline_seconds=1000))
    end = run_job(backend, longer, tmp_path, "r")
    assert (end.outcome.reason, end.adopted) == ("timeout", True)


def test_another_job_in_the_same_place_is_not_taken_over(tmp_path, killed):
    backend = killed("start", Program(seconds=60))
    other = replace(SPEC, files={"told": "something else"})
    backend._programs = {("x",): Program()}
    end = run_job(backend, other, tmp_path, "r")
    assert (end.adopted, end.attempt.name, backend.found()) == (False, "002", [])


def test_a_record_that_is_cut_short_is_not_believed(tmp_path, killed):
    backend = killed("start", Program(seconds=60))
    (tmp_path / "001" / "running.json").write_text('{"schema": "rdagent.run')
    backend._programs = {("x",): Program()}
    end = run_job(backend, SPEC, tmp_path, "r")
    assert (end.adopted, end.attempt.name, backend.found()) == (False, "002", [])


def test_two_that_start_at_once_do_not_both_take_it_over(tmp_path, killed):
    backend = killed("start", Program(seconds=0.8))
    ends = []
    threads = [
        threading.Thread(target=lambda: ends.append(run_job(backend, SPEC, tmp_path, "r")))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(end.adopted for end in ends) == [False, True]
    assert len(backend.created) == 2


def test_a_lost_answer_to_create_leaves_no_second_job(tmp_path, monkeypatch):
    monkeypatch.setattr("rdagent.jobs.supervisor.RETRY_PAUSE_SECONDS", 0)
    from rdagent.errors import InfrastructureError

    class Forgetful(FakeBackend):
        """Makes the job, and says that it could not."""

        def create(self, job: PreparedJob) -> str:
            made = super().create(job)
            if len(self.created) == 1:
                raise InfrastructureError("connection lost", retryable=True)
            return made

    backend = Forgetful({("x",): Program()})
    end = run_job(backend, SPEC, tmp_path, "r")
    assert (end.outcome.reason, backend.found()) == ("ok", [])


def test_time_since_the_start_does_not_depend_on_the_clock_of_the_wall():
    record = replace(Running.beginning("n", 10), started="2001-01-01T00:00:00.000Z")
    assert record.seconds_ago() < 5
    other_boot = replace(record, boot="other")
    assert other_boot.seconds_ago() > 1e8


def test_a_clock_that_was_set_back_over_a_reboot_gives_no_negative_time():
    ahead = replace(Running.beginning("n", 10), boot="other", started="2999-01-01T00:00:00.000Z")
    assert ahead.seconds_ago() == 0


def test_a_step_of_the_clock_does_not_move_the_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 4e9)
    backend = FakeBackend({("x",): Program(seconds=0.5)})
    assert run_job(backend, SPEC, tmp_path, "r").outcome.ok


def test_a_record_from_another_version_is_not_believed(tmp_path):
    (tmp_path / "running.json").write_text(json.dumps({"schema": "rdagent.running/9"}))
    assert read_running(tmp_path) is None
