"""The command line itself, from its words to its exit code, when things go wrong.

The evaluation's image is the tiny one, whose entry script plays a scenario by ``--limit``.
"""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from rdagent.demo import paths
from tests.conftest import REQUIRE_ENGINE
from tests.faults.conftest import left_behind

pytestmark = pytest.mark.engine
TASK = "demo_home"
SECRET = "hf_" + "Zx9" * 12


@dataclass
class Shell:
    """Runs ``rdagent`` as a user would."""

    place: Path
    environment: dict[str, str]

    def begin(self, *words: str, **changes: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "rdagent.cli.main", *words],
            env={**self.environment, **changes},
            cwd=self.place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **changes: str) -> subprocess.CompletedProcess:
        process = self.begin(*words, **changes)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def evaluate(self, scenario: int) -> tuple[str, ...]:
        model, task = str(paths.MODEL), str(paths.TASK_FOLDER)
        told = ("--base", "--base-model", model, "--include", task, "--tasks", TASK)
        return ("eval", *told, "--limit", str(scenario), "--engine", "hf")

    def status(self) -> dict:
        (path,) = self.place.glob("ft/runs/*/status.json")
        return json.loads(path.read_text())


@pytest.fixture
def shell(engine, tmp_path, monkeypatch):
    from rdagent.errors import ImageUnavailable
    from rdagent.jobs.images import image_name

    try:
        name = image_name("lm-eval")
    except ImageUnavailable as error:
        if REQUIRE_ENGINE:
            raise
        pytest.skip(f"what the evaluation's image is called is not known yet: {error.message}")
    with engine.connected() as client:
        repository, tag = name.split(":")
        client.tag("rdagent-faults:tiny", repository, tag)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FT_", "BENCHMARK_"))}
    environment = {
        **kept,
        "DOCKER_HOST": engine.url,
        "FT_FILE_PATH": str(tmp_path / "ft"),
        "FT_ENV": "docker",
        "BENCHMARK_DOCKER_MEM_LIMIT": "256m",
        "BENCHMARK_DOCKER_SHM_SIZE": "16m",
    }
    return Shell(tmp_path, environment)


def begun(shell, process):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()
        if any(
            "working" in p.read_text() for p in shell.place.glob("ft/runs/*/attempts/*/log.txt")
        ):
            return
        time.sleep(0.05)
    raise AssertionError("the job printed nothing")


def nothing_is_left(shell, engine):
    assert engine.containers() == []
    assert left_behind(shell.place / "ft") == []


def test_the_scenarios_stand_on_firm_ground(shell, engine):
    done = shell.run(*shell.evaluate(1), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reason"] == "ok"
    nothing_is_left(shell, engine)


ENDS = {
    3: ("incomplete", 6),
    4: ("incomplete", 6),
    5: ("results_invalid", 6),
    6: ("results_invalid", 6),
    7: ("results_invalid", 6),
    8: ("command_failed", 6),
}


@pytest.mark.parametrize("scenario", [4, 5, 6, 7, 8])
def test_results_that_cannot_be_are_one_typed_end_with_a_hint(shell, engine, scenario):
    done = shell.run(*shell.evaluate(scenario), "--json")
    reason, code = ENDS[scenario]
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert (said["reason"], done.returncode) == (reason, code), done.stdout + done.stderr
    assert "root:" not in done.stdout + done.stderr
    status = shell.status()
    assert (status["reason"], status["exit_code"]) == (reason, code)
    assert status["hint"]
    assert "Traceback" not in done.stderr
    nothing_is_left(shell, engine)


def test_a_task_without_a_result_makes_the_run_incomplete(shell, engine, tmp_path):
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    for name in ("demo_home.yaml", "demo_home.py", "test.jsonl"):
        (tasks / name).write_bytes((paths.TASK_FOLDER / name).read_bytes())
    other = (tasks / "demo_home.yaml").read_text().replace("task: demo_home", "task: demo_other")
    (tasks / "demo_other.yaml").write_text(other)
    told = ("--base", "--base-model", str(paths.MODEL), "--include", str(tasks))
    words = ("eval", *told, "--tasks", "demo_home,demo_other", "--limit", "3", "--engine", "hf")
    done = shell.run(*words, "--json")
    assert done.returncode == 6, done.stderr
    said = json.loads(done.stdout)
    assert said["reason"] == "incomplete"
    (variant,) = said["variants"]
    assert variant["missing"] == ["demo_other"]
    assert list(variant["scores"]) == ["demo_home"]
    nothing_is_left(shell, engine)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_run_and_says_how_to_go_on(shell, engine, number):
    process = shell.begin(*shell.evaluate(2))
    begun(shell, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "same command runs the rest" in err
    assert "Traceback" not in err
    assert shell.status()["reason"] == "cancelled"
    nothing_is_left(shell, engine)


def test_ctrl_c_twice_ends_quickly_and_as_cleanly(shell, engine):
    process = shell.begin(*shell.evaluate(2))
    begun(shell, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert shell.status()["reason"] == "cancelled"
    nothing_is_left(shell, engine)


def test_a_deadline_ends_the_run_with_its_own_code(shell, engine):
    done = shell.run(*shell.evaluate(2), "--timeout", "3")
    assert done.returncode == 124
    assert "--timeout" in done.stdout + done.stderr
    assert shell.status()["reason"] == "timeout"
    nothing_is_left(shell, engine)


def test_kill_9_and_the_same_command_again_goes_on_with_the_same_run(shell, engine):
    process = shell.begin(*shell.evaluate(2), "--timeout", "8")
    begun(shell, process)
    process.kill()
    process.communicate()
    assert len(engine.containers()) == 1
    done = shell.run(*shell.evaluate(2), "--timeout", "3000")
    assert done.returncode == 124, done.stderr
    assert shell.status()["reason"] == "timeout"
    assert [path.name for path in shell.place.glob("ft/runs/*/attempts/0*")] == ["001"]
    nothing_is_left(shell, engine)


def test_two_equal_commands_at_once_run_one_job(shell, engine):
    both = [shell.begin(*shell.evaluate(1), "--json") for _ in range(2)]
    ends = [(each.communicate(timeout=120), each.returncode) for each in both]
    assert [code for _, code in ends] == [0, 0], ends
    documents = [json.loads(out) for (out, _), _ in ends]
    assert documents[0]["run"] == documents[1]["run"]
    assert sorted(document["reused"] for document in documents) == [False, True]
    assert len(list(shell.place.glob("ft/runs/*/attempts/*/job.json"))) == 1
    nothing_is_left(shell, engine)


def test_hostile_text_in_a_log_reaches_no_terminal(shell, engine):
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rdagent.cli.main", *shell.evaluate(9)],
        env={**shell.environment, "TERM": "xterm"}, cwd=shell.place,
        stdout=side, stderr=side, stdin=side,
    )  # fmt: skip
    os.close(side)
    drawn = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:
            break
        if not piece:
            break
        drawn += piece
    os.close(main)
    assert process.wait(60) == 6
    assert b"\033]" not in drawn
    assert b"\033[2J" not in drawn
    logs = shell.run("runs", "logs", "last")
    assert logs.returncode == 0
    assert "\033" not in logs.stdout
    assert "red" in logs.stdout
    assert "owned" not in logs.stdout


def test_a_secret_of_the_host_stands_in_nothing_that_is_written_or_shown(shell, engine):
    process = shell.begin(*shell.evaluate(2), "--json", HF_TOKEN=SECRET, WANDB_API_KEY=SECRET)
    begun(shell, process)
    with engine.connected() as client:
        (row,) = client.containers()
        recorded = json.dumps(client.inspect_container(row["Id"]))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    dry = shell.run(*shell.evaluate(2), "--dry-run", HF_TOKEN=SECRET)
    shown = recorded + out + err + dry.stdout + dry.stderr
    assert SECRET not in shown
    for path in (shell.place / "ft").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_an_engine_that_is_nowhere_is_said_with_what_to_do(shell):
    done = shell.run(*shell.evaluate(1), DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 5
    assert "doctor" in done.stderr
    assert "Traceback" not in done.stderr


def test_old_run_folders_that_are_broken_do_not_stop_the_list(shell):
    runs = shell.place / "ft" / "runs"
    for name, files in {
        "20200101-000000-aaaaaaaa": {},
        "20200102-000000-bbbbbbbb": {"request.json": '{"kind": '},
        "20200103-000000-cccccccc": {"request.json": "[]"},
        "20200104-000000-dddddddd": {
            "request.json": '{"kind": "evaluate", "created": "x", "told": {}}',
            "status.json": '{"schema": "rdagent.sta',
        },
        "20990101-000000-eeeeeeee": {
            "request.json": '{"kind": "evaluate", "created": "2099-01-01T00:00:00.000Z"}',
        },
    }.items():
        (runs / name).mkdir(parents=True)
        for file, text in files.items():
            (runs / name / file).write_text(text)
    listed = shell.run("runs", "ls")
    assert listed.returncode == 0, listed.stderr
    assert "20990101-000000-eeeeeeee" in listed.stdout
    assert shell.run("runs", "show", "20200104").returncode in (0, 6)
    assert "Traceback" not in shell.run("runs", "show", "20200104").stderr
