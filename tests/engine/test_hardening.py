"""What a container may not do, read back from the engine and tried from inside."""

import os
from dataclasses import replace

import pytest

from rdagent.jobs.backends.docker import DockerBackend, host_options
from rdagent.jobs.backends.docker_api import connect
from rdagent.jobs.spec import JobSpec, Limits, Mount
from rdagent.jobs.supervisor import Watch, run_job

pytestmark = pytest.mark.engine

LIMITS = Limits(
    deadline_seconds=60, grace_seconds=1, memory_bytes=64 << 20, cpus=1, shm_bytes=16 << 20, pids=32
)


@pytest.fixture
def run(shell_image, tmp_path):
    def go(script, watch=None, **changes):
        spec = JobSpec("train", ("sh", "-c", script), LIMITS, image=shell_image)
        spec = replace(spec, **changes)
        return run_job(DockerBackend(), spec, tmp_path / "attempts", "hardening", watch)

    return go


@pytest.fixture
def inspected(run):
    """The engine's own record of a running job."""
    seen = {}

    def look(attempt):
        for found in DockerBackend().found():
            if "hardening" in found.name:
                seen.update(connect().inspect_container(found.identifier))
                watch.cancel.set()

    watch = Watch(on_poll=look)
    run("sleep 30", watch)
    return seen


def test_the_engine_records_every_restriction(inspected):
    host = inspected["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] in (None, [])
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert host["NetworkMode"] == "none"
    assert host["Memory"] == host["MemorySwap"] == 64 << 20
    assert host["NanoCpus"] == 10**9
    assert host["PidsLimit"] == 32
    assert host["ShmSize"] == 16 << 20
    assert host["IpcMode"] == "private"
    assert host["PidMode"] == ""
    assert host["UTSMode"] == ""
    assert host["UsernsMode"] == ""
    assert host["Init"] is True
    assert host["OomScoreAdj"] == 500
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert host["Binds"] is None
    kept = {"max-size": "20m", "max-file": "5", "compress": "false"}
    assert host["LogConfig"] == {"Type": "local", "Config": kept}
    assert {u["Name"]: u["Hard"] for u in host["Ulimits"]}["core"] == 0


def test_no_mount_is_the_engines_socket_and_only_job_folders_can_be_written(inspected):
    writable = {m["Destination"] for m in inspected["Mounts"] if m["RW"]}
    assert writable == {"/job/out", "/job/scratch"}
    assert not any("docker.sock" in m["Source"] for m in inspected["Mounts"])


def test_the_user_is_not_root(inspected):
    user = inspected["Config"]["User"].split(":")[0]
    assert user == str(os.geteuid() or 10001)


def test_the_kernel_agrees_inside(run):
    end = run(
        "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; id -u; ls /sys/class/net"
    )
    words = end.log.read_text().split()
    assert words[words.index("CapEff:") + 1] == "0" * 16
    assert words[words.index("CapBnd:") + 1] == "0" * 16
    assert words[words.index("NoNewPrivs:") + 1] == "1"
    assert words[words.index("Seccomp:") + 1] == "2"
    assert words[-2] != "0"
    assert words[-1] == "lo"


def test_the_root_cannot_be_written_and_tmp_can(run):
    end = run(
        "touch /x 2>&1; touch /usr/x 2>&1; touch /tmp/x && echo tmp-ok;"
        " touch /job/out/x && echo out-ok"
    )
    log = end.log.read_text()
    assert log.count("Read-only file system") == 2
    assert "tmp-ok" in log
    assert "out-ok" in log


def test_an_input_cannot_be_written(run, tmp_path):
    source = tmp_path / "model"
    source.mkdir(mode=0o777)
    source.chmod(0o777)
    end = run("touch /model/x 2>&1", mounts=(Mount("model", str(source), "/model"),))
    assert "Read-only" in end.log.read_text()
    assert list(source.iterdir()) == []


def test_the_main_process_killed_for_memory_is_named(run):
    end = run("exec head -c 300000000 /dev/zero | tail -c 290000000")
    assert (end.outcome.reason, end.outcome.exit_code) == ("out_of_memory", 6)


def test_a_child_killed_for_memory_is_named_though_its_parent_exits_0(run):
    end = run("(head -c 300000000 /dev/zero | tail -c 290000000 >/dev/null); exit 0")
    assert end.exit_code == 0
    assert end.outcome.reason == "out_of_memory"


def test_forks_are_bounded(run):
    end = run("i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done 2>&1; wait")
    assert "Cannot fork" in end.log.read_text() or "Resource temporarily" in end.log.read_text()


def test_a_gpu_that_is_not_there_is_named(run):
    end = run("true", gpus=("GPU-none",))
    assert (end.outcome.reason, end.outcome.exit_code) == ("gpu_unavailable", 5)


def test_a_job_ended_by_someone_else_is_named(run):
    def end_it(attempt):
        for found in DockerBackend().found():
            if "hardening" in found.name:
                connect().kill(found.identifier)

    end = run("sleep 30", Watch(on_poll=end_it))
    assert (end.outcome.reason, end.outcome.exit_code) == ("killed_externally", 5)


def test_options_ask_for_exactly_the_gpus_that_are_named(shell_image):
    from rdagent.jobs.backends.base import PreparedJob

    spec = JobSpec("train", ("true",), LIMITS, gpus=("GPU-1",))
    options = host_options(PreparedJob("n", spec, (), 1, 1))
    assert [request["DeviceIDs"] for request in options["device_requests"]] == [["GPU-1"]]
