"""The supervisor's own rules, on the fake backend: retries, ownership, rights."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.errors import InfrastructureError, RefusedError
from rdagent.files.locks import file_lock
from rdagent.jobs import access, attempt, output, supervisor
from rdagent.jobs.access import JobUser, require_readable
from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.jobs.owner import is_dead, this_owner
from rdagent.jobs.reaper import reap
from rdagent.jobs.spec import JobSpec, Limits, Mount
from rdagent.jobs.supervisor import Watch, run_job

LIMITS = Limits(deadline_seconds=10, grace_seconds=1, memory_bytes=1 << 20, cpus=1)


def spec(*argv):
    return JobSpec("train", argv or ("x",), LIMITS)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(supervisor, "RETRY_PAUSE_SECONDS", 0)


class Refusing(FakeBackend):
    """Fails to create a job a number of times."""

    def __init__(self, failures, retryable):
        super().__init__({("x",): Program()})
        self.left, self.retryable = failures, retryable

    def create(self, job):
        if self.left:
            self.left -= 1
            raise InfrastructureError("engine away", retryable=self.retryable)
        return super().create(job)


def test_an_infrastructure_error_is_tried_again_twice_at_most(tmp_path):
    assert run_job(Refusing(2, retryable=True), spec(), tmp_path, "r").tries == 3
    with pytest.raises(InfrastructureError):
        run_job(Refusing(3, retryable=True), spec(), tmp_path, "r")


def test_an_infrastructure_error_that_will_stay_is_not_tried_again(tmp_path):
    backend = Refusing(1, retryable=False)
    with pytest.raises(InfrastructureError):
        run_job(backend, spec(), tmp_path, "r")
    assert backend.created == []


def test_a_program_that_fails_is_never_tried_again(tmp_path):
    backend = FakeBackend({("x",): Program(exit_code=1)})
    end = run_job(backend, spec(), tmp_path, "r")
    assert (end.outcome.reason, end.tries, len(backend.created)) == ("command_failed", 1, 1)


def test_a_job_that_an_engine_restart_ended_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt.time, "sleep", lambda seconds: None)
    backend = FakeBackend({("x",): Program(exit_code=143)})
    backend.failures = [InfrastructureError("engine away", retryable=True)]
    end = run_job(backend, spec(), tmp_path, "r")
    assert end.tries == 2
    assert end.outcome.reason == "killed_externally"


def test_a_child_killed_for_memory_is_no_success_though_its_parent_ends_well(tmp_path):
    backend = FakeBackend({("x",): Program(out_of_memory=True)})
    assert run_job(backend, spec(), tmp_path, "r").outcome.reason == "out_of_memory"


def test_a_job_carries_who_owns_it(tmp_path):
    backend = FakeBackend({("x",): Program()})
    run_job(backend, spec(), tmp_path, "r7")
    labels = backend.created[0].labels
    assert labels["io.rdagent.owner"] == this_owner()
    assert (labels["io.rdagent.run"], labels["io.rdagent.attempt"]) == ("r7", "001")


def test_a_job_never_runs_as_root(tmp_path):
    backend = FakeBackend({("x",): Program()})
    run_job(backend, spec(), tmp_path, "r")
    assert backend.created[0].user_id not in (0, None)


def test_this_process_is_alive_and_one_that_ended_is_dead():
    owner = this_owner()
    host, boot, space, pid, started = owner.split("/")
    assert not is_dead(owner)
    assert is_dead(f"{host}/{boot}/{space}/{pid}/{int(started) + 1}")
    assert is_dead(f"{host}/other/{space}/{pid}/{started}")
    assert not is_dead(f"elsewhere/{boot}/{space}/{pid}/{started}")
    assert not is_dead("garbage")


def test_a_process_that_ended_and_that_nobody_waited_for_is_dead():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    owner = "/".join([*this_owner().split("/")[:3], str(child.pid), started])
    assert not is_dead(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner)
    child.stdin.close()
    child.wait()


class Keeping(FakeBackend):
    """Forgets nothing, as an engine does when its orchestrator is killed."""

    def __init__(self):
        super().__init__({("x",): Program()})
        self.removed = []

    def remove(self, identifier):
        self.removed.append(identifier)


def left_behind(tmp_path):
    """A job that is still in the engine though nobody watches it any more."""
    backend = Keeping()
    run_job(backend, spec(), tmp_path / "attempts", "r")
    backend.removed.clear()
    return backend


def dead(owner):
    host, boot, space, pid, started = owner.split("/")
    return f"{host}/{boot}/{space}/{pid}/{int(started) + 1}"


def test_a_job_that_nobody_watches_is_reaped_and_one_that_is_watched_is_not(tmp_path):
    backend = left_behind(tmp_path)
    with file_lock(tmp_path / "attempts" / ".lock"):
        assert reap(backend) == []
    assert [job.name for job in reap(backend)] == [backend.created[0].name]
    assert backend.removed == ["fake1"]


def test_a_job_taken_over_from_a_dead_process_is_not_reaped(tmp_path):
    backend = left_behind(tmp_path)
    labels = backend.created[0].labels
    labels["io.rdagent.owner"] = dead(labels["io.rdagent.owner"])
    with file_lock(tmp_path / "attempts" / ".lock"):
        assert reap(backend) == []


def test_a_job_whose_folder_is_gone_is_reaped_with_its_owner_only(tmp_path):
    backend = left_behind(tmp_path)
    shutil.rmtree(tmp_path / "attempts")
    assert reap(backend) == []
    labels = backend.created[0].labels
    labels["io.rdagent.owner"] = dead(labels["io.rdagent.owner"])
    assert len(reap(backend)) == 1


@pytest.mark.parametrize("part", [0, 2], ids=["host", "namespace"])
def test_a_job_of_another_host_or_namespace_is_never_reaped(tmp_path, part):
    backend = left_behind(tmp_path)
    labels = backend.created[0].labels
    words = labels["io.rdagent.owner"].split("/")
    words[part] = "elsewhere"
    labels["io.rdagent.owner"] = "/".join(words)
    assert reap(backend) == []


def test_an_input_that_the_jobs_user_cannot_read_is_named(tmp_path):
    (tmp_path / "model").mkdir(mode=0o755)
    closed = tmp_path / "model" / "weights"
    closed.write_text("x")
    closed.chmod(0o600)
    other = JobUser(os.geteuid() + 4242, os.getegid() + 4242)
    mount = Mount("m", str(tmp_path / "model"), "/m")
    with pytest.raises(RefusedError, match="weights") as caught:
        require_readable((mount,), other)
    assert "chmod -R a+rX" in caught.value.hint
    closed.chmod(0o644)
    require_readable((mount,), other)


def test_root_gives_its_jobs_to_an_unprivileged_user(monkeypatch):
    monkeypatch.setattr(access.os, "geteuid", lambda: 0)
    assert access.job_user() == JobUser(10001, 10001)


def test_a_job_that_writes_more_than_it_may_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt, "DISK_CHECK_SECONDS", 0.0)
    backend = FakeBackend({("x",): Program(seconds=30)})
    tight = replace(spec(), limits=replace(LIMITS, out_bytes=10))

    def write(attempt):
        (attempt / "out" / "large").write_bytes(b"x" * 11)

    end = run_job(backend, tight, tmp_path, "r", Watch(on_poll=write))
    assert end.outcome.reason == "disk_full"


def test_more_files_than_allowed_count_as_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(output, "FILES_LIMIT", 3)
    for number in range(4):
        (tmp_path / str(number)).mkdir()
    assert output.holds_more_than(tmp_path, 1 << 40)
    assert not output.holds_more_than(tmp_path / "gone", 0)


def test_a_progress_display_that_fails_does_not_end_the_job(tmp_path):
    backend = FakeBackend({("x",): Program(seconds=2)})
    calls = []

    def broken(attempt):
        calls.append(attempt)
        raise FileNotFoundError

    end = run_job(backend, spec(), tmp_path, "r", Watch(on_poll=broken))
    assert (end.outcome.reason, len(calls)) == ("ok", 1)


def test_one_hiccup_of_the_engine_does_not_rename_a_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(attempt.time, "sleep", lambda seconds: None)
    backend = FakeBackend({("x",): Program(exit_code=1)})
    backend.failures = [InfrastructureError("slow", retryable=True)]
    end = run_job(backend, spec(), tmp_path, "r")
    assert (end.outcome.reason, end.tries) == ("command_failed", 1)
