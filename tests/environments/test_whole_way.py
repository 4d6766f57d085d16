"""The whole way without a container engine: train, evaluate, hand back feedback."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rdagent.core.experiment import FBWorkspace, Task
from rdagent.demo import mini_home, paths
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.benchmarks import data_folder
from rdagent.evaluation.benchmarks_add import AddRequest, add
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.jobs.backends.choose import choose_backend
from rdagent.scenarios.finetune.scen.scenario import LLMFinetuneScen
from rdagent.scenarios.finetune.train.benchmark import FTBenchmarkEvaluator, get_benchmark_env
from tests.engine.conftest import make_workspace
from tests.environments.conftest import RDAGENT

pytestmark = [pytest.mark.environments, pytest.mark.timeout(1800)]

LAST_LINE = re.compile(r"demo: base=(\d\.\d+) tuned=(\d\.\d+) n=(\d+) env=local")
LIMIT = 16


@pytest.fixture(autouse=True)
def _nothing_is_left(place):
    yield
    assert jobs_under(place) == []


def jobs_under(place):
    found = choose_backend().found()
    return [job for job in found if job.labels["io.rdagent.folder"].startswith(str(place))]


@pytest.fixture(scope="module")
def adapter(demo, place):
    return place / "ft" / "demo" / "output"


def test_the_demo_lifts_its_model_without_an_engine_and_says_that_nothing_was_isolated(demo):
    assert demo.returncode == 0, demo.stderr[-3000:]
    base, tuned, items = LAST_LINE.fullmatch(demo.stdout.splitlines()[-1]).groups()
    assert float(base) < 0.20
    assert float(tuned) > 0.80
    assert int(items) >= 200
    assert "does not isolate" in demo.stdout
    assert "no container engine answers" in demo.stderr


def test_vllm_answers_without_an_engine_and_the_manifest_says_where(adapter):
    request = EvaluationRequest(
        tasks=(mini_home.TASK,),
        base_model=str(paths.MODEL),
        variants=(NamedVariant("adapter", adapter),),
        include=(paths.TASK_FOLDER,),
        engine="vllm",
        limit=LIMIT,
        timeout_seconds=900,
    )
    evaluation = evaluation_run.run(request, choose_backend())
    assert evaluation.status.reason == "ok", evaluation.log_tail
    assert evaluation.variant("adapter").scores[mini_home.TASK].value > 0.5
    manifest = json.loads((evaluation.folder / "manifest.json").read_text())
    assert manifest["backend"] == {"name": "local", "isolates": False}
    assert manifest["image"]["name"].startswith("rdagent-lm-eval-venv:")
    assert manifest["inside"]["adapter"]["versions"]["vllm"].startswith("0.32.0")


def test_feedback_from_a_local_evaluation_carries_scores_and_the_note(adapter):
    evaluator = FTBenchmarkEvaluator(
        LLMFinetuneScen(), tasks=[mini_home.TASK], limit=LIMIT, include=[paths.TASK_FOLDER]
    )
    feedback = evaluator.evaluate(Task(name="t"), FBWorkspace(adapter.parent), None)
    assert feedback.final_decision is True, feedback
    assert feedback.scores[mini_home.TASK].n == LIMIT
    assert "does not isolate" in feedback.return_checking


def test_the_seeds_container_call_works_without_a_container(adapter, place):
    workspace = place / "by hand"
    (workspace / "tasks").mkdir(parents=True)
    for source in paths.TASK_FOLDER.iterdir():
        if source.is_file():
            (workspace / "tasks" / source.name).write_bytes(source.read_bytes())
    questions = place / "questions.jsonl"
    questions.write_text('{"question": "1 + 1?", "answer": "#### 2"}\n' * 6)
    add(AddRequest("gsm8k", {"test": questions, "train": questions}, {}), data_folder())
    env, variables = get_benchmark_env(["gsm8k"], adapter, str(paths.MODEL), limit=LIMIT)
    variables |= {"BENCHMARK_TASKS": mini_home.TASK, "INCLUDE_PATH": "/workspace/tasks"}
    result = env.run(entry="bash /app/eval_entrypoint.sh", local_path=workspace, env=variables)
    assert (result.exit_code, result.reason) == (0, "ok"), result.stdout
    document = json.loads((workspace / "benchmark_results" / "results.json").read_text())
    assert mini_home.TASK in document["results"]


def test_ctrl_c_ends_the_whole_family_and_exits_130(environments, place):
    workspace = make_workspace(place / "interrupted", max_steps=100_000, num_train_epochs=1000)
    command = [*RDAGENT, "train", str(workspace), "--base-model", str(paths.MODEL)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ.copy()
    )
    try:
        wait_until(lambda: processes_of(place))
    finally:
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert processes_of(place) == []
    assert not (workspace / "output").exists()


def processes_of(place):
    """Programs inside whose words name the place; not by ``ps``, which spells by the locale."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if str(place).encode() in words and b"rdagent.inside" in words:
            found.append(path.parent.name)
    return found


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)
