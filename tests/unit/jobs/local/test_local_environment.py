"""``LocalEnv``: the seed's ``env.run`` without a container."""

from pathlib import Path

import pytest

from rdagent.errors import RefusedError
from rdagent.jobs.backends.local import LocalBackend
from rdagent.jobs.environments import RoleEnvironment
from rdagent.utils.env import LocalConf, LocalEnv


class AnyEnvironment:
    """Whatever is asked for is this machine's own programs."""

    def __init__(self, app: Path) -> None:
        self._app = app

    def name(self, role, accelerator):
        return f"rdagent-{role}-venv:small"

    def find(self, name):
        return RoleEnvironment(name, (), self._app, {})


@pytest.fixture(autouse=True)
def _runs(monkeypatch, tmp_path):
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft 文件"))


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "my work 工作"
    folder.mkdir()
    return folder


@pytest.fixture
def make(tmp_path):
    app = tmp_path / "app"
    app.mkdir()
    (app / "hello.sh").write_text('echo "hello from $PWD"; echo "$1" > made.txt\n')

    def make(**conf):
        return LocalEnv(LocalConf(**conf), LocalBackend(AnyEnvironment(app)))

    return make


def test_a_command_runs_in_the_workspace_itself(make, workspace):
    result = make().run(entry="bash /app/hello.sh 'a b'", local_path=workspace)
    assert (result.exit_code, result.reason) == (0, "ok")
    assert result.stdout == f"hello from {workspace}\n"
    assert (workspace / "made.txt").read_text() == "a b\n"


def test_paths_of_the_container_are_the_hosts(make, workspace, tmp_path):
    data = tmp_path / "data 数据"
    data.mkdir()
    (data / "x.txt").write_text("found\n")
    (workspace / "w.txt").write_text("mine\n")
    env = make(extra_volumes={str(data): "/data"})
    result = env.run(entry="cat /data/x.txt /workspace/w.txt", local_path=workspace)
    assert result.stdout == "found\nmine\n"
    told = env.run(
        entry=["sh", "-c", 'echo "$PLACE|$OTHER"'],
        local_path=workspace,
        env={"PLACE": "/data/x.txt", "OTHER": "/database"},
    )
    assert told.stdout == f"{data}/x.txt|/database\n"


def test_an_exit_code_and_a_deadline_are_told_apart(make, workspace):
    assert make().run(entry=["sh", "-c", "exit 3"], local_path=workspace).exit_code == 3
    slow = make(running_timeout_period=1).run(entry="sleep 60", local_path=workspace)
    assert (slow.exit_code, slow.reason) == (124, "timeout")


def test_the_memory_limit_counts(make, workspace):
    script = "(head -c 300000000 /dev/zero; sleep 3) | tail -c 300000000"
    result = make(mem_limit="100m").run(entry=["sh", "-c", script], local_path=workspace)
    assert result.reason == "out_of_memory"


def test_output_is_shown_as_it_comes_where_that_is_asked_for(make, workspace, capsys):
    script = "echo first; sleep 1; echo second"
    make(live_output=True).run(entry=["sh", "-c", script], local_path=workspace)
    assert "first" in capsys.readouterr().err
    make().run(entry=["sh", "-c", script], local_path=workspace)
    assert "first" not in capsys.readouterr().err


def test_a_line_that_needs_a_shell_is_refused(make, workspace):
    with pytest.raises(RefusedError, match="needs a shell"):
        make().run(entry="echo a && echo b", local_path=workspace)


def test_every_setting_is_read_from_the_environment(monkeypatch, workspace):
    given = {
        "BIN_PATH": "/my/tools",
        "DEFAULT_ENTRY": "echo hi",
        "RUNNING_TIMEOUT_PERIOD": "77",
        "MEM_LIMIT": "2g",
        "ENABLE_GPU": "false",
        "EXTRA_VOLUMES": '{"/srv": "/data"}',
        "LIVE_OUTPUT": "true",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"FT_LOCAL_{name}", value)
    monkeypatch.setattr("rdagent.jobs.local_environment.visible_gpus", lambda: ("GPU-1",))
    env = LocalEnv()
    shown = env.dry_run(local_path=workspace)
    assert tuple(shown["argv"]) == ("echo", "hi")
    assert shown["environment"]["PATH"] == "/my/tools"
    assert shown["limits"]["deadline_seconds"] == 77
    assert shown["limits"]["memory_bytes"] == 2 << 30
    assert tuple(shown["gpus"]) == ()
    assert [mount["source"] for mount in shown["mounts"]] == [str(workspace), "/srv"]
    assert env.conf.live_output is True
