"""What only the local backend promises: launchers, process ids, secrets, bounded output."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rdagent.core.settings import cache_root
from rdagent.errors import InfrastructureError
from rdagent.jobs.backends import local_launcher, local_log, local_registry
from rdagent.jobs.backends.base import JobState, PreparedJob, StartFailed, attempt_mounts
from rdagent.jobs.backends.local import LocalBackend
from rdagent.jobs.backends.local_launcher import FRAME, Family, Output, segment, start_time
from rdagent.jobs.backends.local_registry import Process, make_private
from rdagent.jobs.reaper import reap
from rdagent.jobs.supervisor import Watch, run_job
from tests.conformance.conftest import SmallEnvironments

NAME = "rdagent-by-hand"


def folder():
    return cache_root() / "local" / "jobs" / NAME


@pytest.fixture
def job(backend, spec, tmp_path):
    """Creates a job by hand, and ends it after the test."""

    def make(script, **changes):
        attempt = tmp_path / "attempt"
        for name in ("out", "scratch", "in"):
            (attempt / name).mkdir(parents=True, exist_ok=True)
        prepared = PreparedJob(NAME, spec(script, **changes), attempt_mounts(attempt), 0, 0)
        return backend.create(prepared)

    yield make
    backend.remove(NAME)


def wait_for(backend, phase, seconds=20):
    until = time.monotonic() + seconds
    while backend.state(NAME).phase != phase:
        assert time.monotonic() < until, backend.state(NAME)
        time.sleep(0.02)


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def test_how_a_job_ended_is_known_though_its_orchestrator_was_killed(backend, job, tmp_path):
    """The orchestrator is another process, killed while the job runs."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[4])!r})
from pathlib import Path
from rdagent.jobs.backends.base import PreparedJob, attempt_mounts
from rdagent.jobs.backends.local import LocalBackend
from rdagent.jobs.spec import JobSpec, Limits
from tests.conformance.conftest import ENVIRONMENT, SmallEnvironments
attempt = Path({str(tmp_path / "attempt")!r})
for name in ("out", "scratch", "in"):
    (attempt / name).mkdir(parents=True)
backend = LocalBackend(SmallEnvironments(attempt))
argv = ("sh", "-c", "echo begun; sleep 2; echo done > late.txt; exit 7")
spec = JobSpec("train", argv, Limits(60, 1, 1 << 30, 1), image=ENVIRONMENT)
identifier = backend.create(PreparedJob({NAME!r}, spec, attempt_mounts(attempt), 0, 0))
backend.start(identifier)
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert backend.state(NAME).phase == "running"
    wait_for(backend, "exited")
    assert backend.state(NAME) == JobState("exited", 7)
    assert b"".join(backend.follow(NAME, 0.0)) == b"begun\n"
    assert (tmp_path / "attempt" / "out" / "late.txt").exists()


def test_a_job_whose_launcher_was_killed_ends_with_it(backend, job):
    backend.start(job("echo $$ > pid.txt; exec sleep 60"))
    entry = backend._entry(NAME)
    child = entry.child()
    entry.launcher().send(signal.SIGKILL)
    wait_for(backend, "exited")
    assert backend.state(NAME) == JobState("exited", 137)
    wait_until(lambda: not child.is_alive())


def test_a_process_id_that_was_given_to_another_process_is_never_signalled():
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        earlier = Process(bystander.pid, str(int(start_time(bystander.pid)) - 1))
        assert not earlier.is_alive()
        earlier.send(signal.SIGKILL)
        earlier.send(signal.SIGKILL, to_group=True)
        time.sleep(0.2)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_secrets_are_written_nowhere(backend, job):
    backend.start(job("sleep 60", environment={"HF_TOKEN": "hf_verysecret"}))
    texts = [path.read_bytes() for path in folder().parent.rglob("*") if path.is_file()]
    assert len(texts) >= 3
    assert not any(b"hf_verysecret" in text for text in texts)
    launcher = Path(f"/proc/{backend._entry(NAME).launcher().pid}")
    assert b"hf_verysecret" not in (launcher / "cmdline").read_bytes()
    assert b"hf_verysecret" not in (launcher / "environ").read_bytes()


def test_only_its_user_can_look_at_what_is_known_of_jobs_and_at_their_temporary_files(backend, job):
    job("true")
    tmp = Path(backend._entry(NAME).document("job.json")["tmp"])
    for path in (folder().parent, tmp):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_jobs_temporary_folder_goes_with_it(backend, spec, tmp_path):
    run_job(
        backend, spec("echo x > $TMPDIR/f", environment={"TMPDIR": "{mount:tmp}"}), tmp_path, "r"
    )
    assert list(tmp_path.glob("rdagent-*")) == []
    assert list((cache_root() / "local" / "jobs").iterdir()) == []


def test_a_temporary_folder_that_someone_else_made_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "trap").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InfrastructureError, match="not ours"):
        make_private(tmp_path / "trap")


def test_a_job_that_another_process_created_cannot_be_started(backend, job, tmp_path):
    identifier = job("true")
    with pytest.raises(StartFailed, match="another process"):
        LocalBackend(SmallEnvironments(tmp_path)).start(identifier)
    assert backend.state(identifier).phase == "created"


def test_a_folder_to_start_in_that_is_missing_is_not_a_missing_program(backend, job):
    with pytest.raises(StartFailed) as caught:
        backend.start(job("true", workdir="/no/such/folder"))
    assert caught.value.kind == "other"
    assert "/no/such/folder" in str(caught.value)


def test_a_paused_job_ends_at_its_deadline(backend, spec, tmp_path):
    from dataclasses import replace

    def pause(attempt):
        for job in backend.found():
            if child := backend._entry(job.identifier).child():
                child.send(signal.SIGSTOP, to_group=True)

    paused = spec("while :; do sleep 0.1; done")
    paused = replace(paused, limits=replace(paused.limits, deadline_seconds=1))
    assert run_job(backend, paused, tmp_path, "r", Watch(on_poll=pause)).outcome.reason == "timeout"
    assert backend.found() == []


def test_programs_may_raise_no_privileges_and_dump_no_core(backend, spec, tmp_path):
    end = run_job(backend, spec("grep NoNewPrivs /proc/self/status; ulimit -c"), tmp_path, "r")
    assert end.log.read_text().split() == ["NoNewPrivs:", "1", "0"]


def test_a_job_may_be_interrupted_as_if_it_had_been_started_by_a_shell(backend, spec, tmp_path):
    """What is ignored is inherited: a job must not begin deaf to any signal."""
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        end = run_job(backend, spec("grep SigIgn /proc/self/status"), tmp_path, "r")
    finally:
        signal.signal(signal.SIGQUIT, before)
    ignored = int(end.log.read_text().split()[1], 16)
    assert [number for number in signal.valid_signals() if ignored >> (number - 1) & 1] == []


def test_of_endless_output_only_the_newest_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(local_launcher, "SEGMENT_BYTES", 1000)
    output = Output(tmp_path)
    for number in range(2000):
        output.take(f"line {number}\n".encode())
    output.close()
    kept = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert kept < 7000
    read = b"".join(local_log.follow(tmp_path, 0.0, lambda: True))
    assert read.endswith(b"line 1999\n")
    assert read.startswith(b"line 1")


def test_a_reader_that_falls_behind_goes_on_with_what_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(local_launcher, "SEGMENT_BYTES", 1000)
    output = Output(tmp_path)
    output.take(b"first\n")
    reader = local_log.follow(tmp_path, 0.0, lambda: True)
    assert next(reader) == b"first\n"
    for number in range(2000):
        output.take(f"line {number}\n".encode())
    output.close()
    assert b"".join(reader).endswith(b"line 1999\n")


def test_a_piece_that_was_cut_by_a_full_disk_is_left_out_and_what_follows_is_read(tmp_path):
    with segment(tmp_path, 0).open("wb") as sink:
        sink.write(FRAME.pack(1.0, 5) + b"whole" + FRAME.pack(2.0, 50) + b"cut")
    with segment(tmp_path, 1).open("wb") as sink:
        sink.write(FRAME.pack(3.0, 5) + b"later")
    assert list(local_log.follow(tmp_path, 0.0, lambda: True)) == [b"whole", b"later"]


def test_the_output_of_a_job_that_writes_without_end_takes_little_memory_and_disk(
    backend, spec, tmp_path
):
    sizes = []

    def look(attempt):
        entry = backend._entry(next(iter(backend.found())).identifier)
        if launcher := entry.launcher():
            sizes.append(local_launcher.resident(launcher.pid))
            sizes.append(sum(p.stat().st_size for p in entry.folder.glob("log.*") if p.exists()))

    end = run_job(
        backend, spec("head -c 300000000 /dev/zero; echo the-end"), tmp_path, "r", Watch(look)
    )
    assert end.outcome.reason == "ok"
    assert end.log.read_bytes().endswith(b"the-end\n")
    assert max(sizes) < 130 << 20


def test_a_family_holds_children_of_children_in_sessions_of_their_own():
    shell = subprocess.Popen(["sh", "-c", "setsid sleep 60 & sleep 60"], start_new_session=True)
    try:
        family = Family(os.getpid())
        wait_until(lambda: len(family.members()) >= 3)
        assert shell.pid in family.members()
        assert os.getpid() not in family.members()
        assert os.getppid() not in family.members()
    finally:
        for pid in family.members():
            os.kill(pid, signal.SIGKILL)
        shell.wait()


def test_a_name_that_leads_out_of_the_registry_is_refused(tmp_path):
    registry = local_registry.Registry(tmp_path)
    for name in ("../x", ".hidden", "a/b"):
        with pytest.raises(InfrastructureError):
            registry.entry(name)


def test_gpus_are_shown_by_their_number_on_the_bus(backend, spec, tmp_path, monkeypatch):
    monkeypatch.setattr("rdagent.jobs.gpus._installed", lambda: ("GPU-a", "GPU-b", "GPU-c"))
    script = 'echo "$CUDA_DEVICE_ORDER $CUDA_VISIBLE_DEVICES"'
    end = run_job(backend, spec(script, gpus=("GPU-c", "GPU-a")), tmp_path, "r")
    assert end.log.read_text() == "PCI_BUS_ID 2,0\n"


def test_a_job_without_gpus_sees_none(backend, spec, tmp_path):
    end = run_job(backend, spec('echo "[${CUDA_VISIBLE_DEVICES-all}]"'), tmp_path, "r")
    assert end.log.read_text() == "[]\n"


def test_what_a_user_puts_first_in_the_path_is_looked_at_first(backend, spec, tmp_path):
    end = run_job(backend, spec("echo $PATH", environment={"PATH": "/my/tools"}), tmp_path, "r")
    assert end.log.read_text().startswith("/my/tools:")
    assert "/usr/bin" in end.log.read_text()


def orchestrator(tmp_path, seconds):
    """Another process that runs a job under ``tmp_path`` and is killed while it runs."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[4])!r})
from pathlib import Path
from rdagent.jobs.backends.local import LocalBackend
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import run_job
from tests.conformance.conftest import ENVIRONMENT, SmallEnvironments
from tests.unit.jobs.local.conftest import LIMITS
argv = ("sh", "-c", {begun_then(seconds)!r})
place = Path({str(tmp_path)!r})
spec = JobSpec("train", argv, LIMITS, image=ENVIRONMENT)
run_job(LocalBackend(SmallEnvironments(place)), spec, place / "attempts", "r")
"""
    return subprocess.Popen([sys.executable, "-c", script])


def begun_then(seconds):
    return f"echo begun; sleep {seconds}; echo ended"


def killed_while_it_runs(backend, tmp_path, seconds):
    process = orchestrator(tmp_path, seconds)
    wait_until(lambda: (tmp_path / "attempts" / "001" / "log.txt").exists())
    wait_until(lambda: "begun" in (tmp_path / "attempts" / "001" / "log.txt").read_text())
    process.kill()
    process.wait()
    (job,) = backend.found()
    assert backend.state(job.identifier).phase == "running"
    return job


def test_the_same_job_of_a_killed_orchestrator_is_taken_over(backend, spec, tmp_path):
    killed_while_it_runs(backend, tmp_path, seconds=3)
    end = run_job(backend, spec(begun_then(3)), tmp_path / "attempts", "r")
    assert (end.adopted, end.outcome.reason, end.attempt.name) == (True, "ok", "001")
    assert end.log.read_text() == "begun\nended\n"
    assert backend.found() == []


def test_another_job_of_a_killed_orchestrator_is_ended(backend, tmp_path):
    job = killed_while_it_runs(backend, tmp_path, seconds=60)
    child = backend._entry(job.identifier).child()
    assert [found.name for found in reap(backend)] == [job.name]
    assert backend.found() == []
    assert not child.is_alive()


def test_a_disk_without_room_for_the_launcher_is_named(backend, job, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    identifier = job("true")
    monkeypatch.setattr("rdagent.jobs.backends.local.subprocess.Popen", full)
    with pytest.raises(StartFailed) as caught:
        backend.start(identifier)
    assert caught.value.kind == "disk_full"


def test_a_launcher_that_breaks_says_why(backend, job, monkeypatch, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('this launcher is broken')")
    monkeypatch.setattr(local_launcher, "__file__", str(broken))
    with pytest.raises(StartFailed, match="this launcher is broken"):
        backend.start(job("true"))
