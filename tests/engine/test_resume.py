"""Kills, and answers that are taken over, with real containers and the scripted engine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from rdagent.demo import mini_home, paths
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.records.ledger import read_ledger
from tests.engine.conftest import jobs_under

pytestmark = [pytest.mark.engine, pytest.mark.images]

RDAGENT = (sys.executable, "-m", "rdagent.cli.main")
CHUNK = 64


@pytest.fixture
def script(tmp_path):
    def write(seconds=0.0):
        path = tmp_path / f"script-{seconds}.json"
        path.write_text(
            json.dumps({"default": "{bathroom.blinds.open()}", "seconds_per_request": seconds})
        )
        return path

    return write


def words(script):
    model, task = str(paths.MODEL), str(paths.TASK_FOLDER)
    told = ("--base-model", model, "--include", task, "--tasks", mini_home.TASK, "--json")
    return (*RDAGENT, "eval", *told, "--engine", "scripted", "--script", str(script))


def answered_so_far(place, before):
    for run in place.glob("ft/runs/2*"):
        if run not in before:
            for ledger in run.glob("attempts/*/out/variants/base/ledger.jsonl"):
                return ledger.read_bytes().count(b"\n")
    return 0


def run_to_the_end(command):
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ.copy())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("both", [True, False])
def test_after_a_kill_the_same_command_repeats_the_unfinished_chunk_only(
    images, place, script, both
):
    command = words(script(0.05 if both else 0.051))
    before = set(place.glob("ft/runs/2*"))
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while answered_so_far(place, before) < 2 * CHUNK:
        assert time.monotonic() < until, "nothing was answered"
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    jobs = jobs_under(place)
    assert len(jobs) == 1
    if both:
        subprocess.run(["docker", "kill", jobs[0].identifier], check=True, capture_output=True)
    said = run_to_the_end(command)
    (variant,) = said["variants"]
    assert said["reason"] == "ok"
    assert len(set(place.glob("ft/runs/2*")) - before) == 1, "it is the same run"
    if both:
        assert variant["answers"]["resumed"] >= 2 * CHUNK
        assert variant["answers"]["resumed"] % CHUNK == 0
    else:
        assert variant["answers"]["resumed"] == 0, "the job itself went on"
    ledger = read_ledger(place / "ft" / "runs" / said["run"] / "variants" / "base" / "ledger.jsonl")
    assert len(ledger.answers) == variant["answers"]["asked"]
    assert ledger.duplicates == 0
    assert jobs_under(place) == []


def test_the_base_is_answered_once_for_every_later_adapter(trained, place, tmp_path):
    request = EvaluationRequest(
        tasks=(mini_home.TASK,),
        base_model=str(paths.MODEL),
        variants=(NamedVariant("first", trained.adapter),),
        with_base=True,
        include=(paths.TASK_FOLDER,),
        engine="hf",
        limit=9,
        timeout_seconds=600,
    )
    one = evaluation_run.run(request, DockerBackend())
    other = tmp_path / "other"
    shutil.copytree(trained.adapter, other)
    config = json.loads((other / "adapter_config.json").read_text())
    changed = {**config, "lora_alpha": config["lora_alpha"] / 2}
    (other / "adapter_config.json").write_text(json.dumps(changed))
    for path in (tmp_path, *other.rglob("*"), other):
        path.chmod(0o755)
    two = evaluation_run.run(
        replace(request, variants=(NamedVariant("second", other),)), DockerBackend()
    )
    asked = two.variant("base").answers
    assert (asked.reused, asked.asked) == (asked.asked, one.variant("base").answers.asked)
    assert two.variant("second").answers.reused == 0
    assert two.variant("base").scores == one.variant("base").scores
    assert any(one.run_id in note for note in two.variant("base").notes)
    for name in ("results.json", "ledger.jsonl", f"samples_{mini_home.TASK}.jsonl"):
        assert (two.folder / "variants" / "base" / name).exists(), "a run's folder stands alone"
