"""Mounts that would open the host to a job are refused before anything starts."""

import socket
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.errors import RefusedError
from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.jobs.places import require_contained
from rdagent.jobs.spec import JobSpec, Limits, Mount
from rdagent.jobs.supervisor import run_job

SPEC = JobSpec("train", ("x",), Limits(10, 1, 1 << 20, 1))


def mounted(source, target="/workspace/data"):
    return replace(SPEC, mounts=(Mount("data", str(source), target),))


@pytest.mark.parametrize("source", ["/", "/proc", "/proc/1", "/sys", "/dev", "relative", "/a/../b"])
def test_places_of_the_system_are_refused(source):
    with pytest.raises(RefusedError, match="'data' is refused") as caught:
        require_contained(mounted(source))
    assert "folder of your own" in caught.value.hint


def test_a_link_that_leads_out_is_judged_by_where_it_leads(tmp_path):
    (tmp_path / "innocent").symlink_to("/proc")
    with pytest.raises(RefusedError, match="leads to /proc"):
        require_contained(mounted(tmp_path / "innocent"))


def test_the_engines_socket_is_refused_by_itself_and_in_its_folder(monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as server:
        path = Path(folder) / "d.sock"
        server.bind(str(path))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        for source in (path, folder):
            with pytest.raises(RefusedError):
                require_contained(mounted(source))


@pytest.mark.parametrize("target", ["/", "/job", "/job/out", "/workspace/../job", "relative"])
def test_targets_over_our_own_places_are_refused(tmp_path, target):
    with pytest.raises(RefusedError, match="target"):
        require_contained(mounted(tmp_path, target))


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", "/etc/passwd", "a\0b"])
def test_names_that_leave_their_folder_are_refused(name):
    for spec in (replace(SPEC, files={name: "x"}), replace(SPEC, overlays={name: "/workspace/x"})):
        with pytest.raises(RefusedError, match="leaves its folder"):
            require_contained(spec)


def test_a_refused_mount_leaves_no_trace(tmp_path):
    backend = FakeBackend({("x",): Program()})
    with pytest.raises(RefusedError, match="'data' is refused"):
        run_job(backend, mounted("/proc"), tmp_path / "attempts", "r")
    assert (backend.created, (tmp_path / "attempts").exists()) == ([], False)


def test_ordinary_folders_are_taken(tmp_path):
    folder = tmp_path / "数据 and blanks"
    folder.mkdir()
    require_contained(mounted(folder))
