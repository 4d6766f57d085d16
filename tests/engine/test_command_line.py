"""The command line with real containers: Ctrl-C, a plain ``docker run``, the script."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from rdagent.demo import mini_home, paths
from rdagent.jobs.backends.docker import DockerBackend
from tests.engine.conftest import jobs_under, make_workspace

pytestmark = [pytest.mark.engine, pytest.mark.images]

RDAGENT = (sys.executable, "-m", "rdagent.cli.main")


def wait_until(condition, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def test_ctrl_c_ends_the_container_and_exits_130(images, place):
    workspace = make_workspace(place / "interrupted", max_steps=100_000, num_train_epochs=1000)
    command = [*RDAGENT, "train", str(workspace), "--base-model", str(paths.MODEL)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ.copy()
    )
    wait_until(
        lambda: any("train" in j.labels.get("io.rdagent.profile", "") for j in jobs_under(place))
    )
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "the same" in said
    assert jobs_under(place) == []
    assert not (workspace / "output").exists()


def test_a_killed_orchestrator_leaves_a_container_that_the_next_start_removes(images, place):
    workspace = make_workspace(place / "killed", max_steps=100_000, num_train_epochs=1000)
    command = [*RDAGENT, "train", str(workspace), "--base-model", str(paths.MODEL)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=os.environ.copy())
    wait_until(lambda: jobs_under(place))
    process.kill()
    process.wait()
    orphans = jobs_under(place)
    assert len(orphans) == 1
    from rdagent.jobs.reaper import reap

    assert orphans[0].identifier in [job.identifier for job in reap(DockerBackend())]
    assert jobs_under(place) == []


def test_eval_prints_one_json_document(trained, place):
    command = [*RDAGENT, "eval", str(trained.adapter), "--base-model", str(paths.MODEL)]
    command += [
        "--tasks",
        mini_home.TASK,
        "--include",
        str(paths.TASK_FOLDER),
        "--limit",
        "8",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "done"
    base, variant = document["variants"]
    assert (base["name"], base["adapter"]) == ("base", None), "the base is the rule"
    score = variant["scores"][mini_home.TASK]
    assert set(score) == {"metric", "filter", "value", "stderr", "n", "higher_is_better"}
    assert 0 <= score["value"] <= 1


def test_the_evaluation_image_works_by_plain_docker_run(images, trained, place):
    """As the first version's document shows it: variables, and the workspace mounted."""
    from rdagent.jobs.backends.docker_api import connect

    workspace = place / "plain"
    (workspace / "output").mkdir(parents=True)
    for path in trained.adapter.iterdir():
        (workspace / "output" / path.name).write_bytes(path.read_bytes())
    workspace.chmod(0o777)
    client = connect()
    container = client.create_container(
        images["lm-eval"],
        environment={
            "BENCHMARK_TASKS": mini_home.TASK,
            "BASE_MODEL": "/models/base",
            "INCLUDE_PATH": "/tasks",
            "LIMIT": "4",
        },
        host_config=client.create_host_config(
            network_mode="none",
            binds=[
                f"{workspace}:/workspace",
                f"{paths.MODEL}:/models/base:ro",
                f"{paths.TASK_FOLDER}:/tasks:ro",
            ],
        ),
    )
    try:
        client.start(container)
        code = client.wait(container, timeout=300)["StatusCode"]
        assert code == 0, client.logs(container).decode()[-2000:]
    finally:
        client.remove_container(container, force=True)
    document = json.loads((workspace / "benchmark_results" / "results.json").read_text())
    assert mini_home.TASK in document["results"]


def test_the_script_tries_the_evaluator_on_the_demos_model(trained, place):
    script = paths.HERE.parent / "scenarios" / "finetune" / "train" / "test_benchmark.py"
    done = subprocess.run(
        [sys.executable, str(script), "quick", str(trained.adapter.parent)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for section in ("demo's model", "执行状态:", "评估结果:", "平均分数:", "n=10"):
        assert section in done.stdout
