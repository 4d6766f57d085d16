"""``rdagent eval --stop-when-decided`` as users run it: stop, go on after a kill, ask the rest."""

import contextlib
import json
import os
import signal
import struct
import subprocess
import time

import pytest

from rdagent.demo import paths
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.jobs.backends.choose import choose_backend
from tests.environments.conftest import RDAGENT
from tests.environments.test_whole_way import processes_of

pytestmark = [pytest.mark.environments, pytest.mark.timeout(900)]

COUNT = 120
TASK = """
task: pairs
custom_dataset: !function pairs.load
test_split: test
output_type: generate_until
doc_to_text: "Q: {{question}}\\nA:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"], do_sample: false, max_gen_toks: 8}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
DATA = f"""
from datasets import Dataset

def load(**_):
    rows = [{{"question": f"{{n}} and 1?", "answer": str(n + 1)}} for n in range({COUNT})]
    return {{"test": Dataset.from_list(rows)}}
"""


@pytest.fixture(scope="module")
def adapter(place):
    """An adapter that fits the demo's model; nobody loads it here."""
    folder = place / "an adapter"
    folder.mkdir()
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(paths.MODEL),
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    shapes = {
        f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{part}.weight": shape
        for layer in range(4)
        for part, shape in (("A", [4, 128]), ("B", [128, 4]))
    }
    header = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [2048 * n, 2048 * (n + 1)]}
        for n, (name, shape) in enumerate(shapes.items())
    }
    said = json.dumps(header).encode()
    values = struct.pack("<f", 0.01) * (512 * len(shapes))
    content = struct.pack("<Q", len(said)) + said + values
    (folder / "adapter_model.safetensors").write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def tasks(place):
    folder = place / "tasks of pairs"
    folder.mkdir()
    (folder / "pairs.yaml").write_text(TASK)
    (folder / "pairs.py").write_text(DATA)
    return folder


@pytest.fixture
def words(environments, place, adapter, tasks):
    """Return a command; the adapter is right about three of four documents, the base about none."""

    def write(seconds, *more):
        right = {f"Q: {n} and 1?\nA:": str(n + 1) for n in range(COUNT) if n % 4}
        script = place / f"pairs {seconds}.json"
        said = {"default": "0", "variants": {"adapter": right}, "seconds_per_request": seconds}
        script.write_text(json.dumps(said))
        told = ("--include", str(tasks), "--tasks", "pairs", "--chat-template", "off")
        engine = ("--engine", "scripted", "--script", str(script))
        return (*RDAGENT, "eval", str(adapter), *told, *engine, *more)

    return write


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ.copy())
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in command else done.stdout


def of(document, name):
    return next(one for one in document["variants"] if one["name"] == name)


def test_it_stops_and_says_so_and_a_full_run_asks_only_the_rest(words, place):
    stopped = run(words(0, "--stop-when-decided", "--json"))
    task = stopped["stop_when_decided"]["tasks"]["pairs"]
    assert (stopped["status"], stopped["reason"]) == ("done", "ok")
    assert (task["stopped"], task["planned"]) == (True, COUNT)
    assert task["adapters"]["adapter"]["decision"] == "improved"
    assert task["answered"] < 30
    for name in ("base", "adapter"):
        assert of(stopped, name)["scores"]["pairs"]["n"] == task["answered"]
        folder = place / "ft" / "runs" / stopped["run"] / "variants" / name
        results = json.loads((folder / "results.json").read_text())
        assert results["config"]["stop_when_decided"]["tasks"]["pairs"] == task
    plan = place / "ft" / "runs" / stopped["run"] / "plan" / "plan.json"
    assert len(json.loads(plan.read_text())["selected"]["pairs"]) == task["answered"]
    shown = run(words(0, "--stop-when-decided"))
    assert f"{task['answered']} of {COUNT} documents, decided: improved" in shown
    assert "limited run (stopped when decided: pairs" in shown
    assert "was there already" in shown
    whole = run(words(0, "--json"))
    assert whole["run"] != stopped["run"]
    assert whole["stop_when_decided"] is None
    for name in ("base", "adapter"):
        known = of(stopped, name)["answers"]["asked"]
        assert of(whole, name)["answers"] == {"asked": COUNT, "reused": known, "resumed": 0}
        assert of(whole, name)["scores"]["pairs"]["n"] == COUNT
    assert of(whole, "adapter")["scores"]["pairs"]["value"] == 0.75


def answered(place, run_folders):
    return sum(
        ledger.read_bytes().count(b"\n")
        for folder in run_folders
        for ledger in folder.glob("attempts/*/out/variants/*/ledger.jsonl")
    )


def test_after_a_kill_the_same_command_goes_on_and_decides_the_same(words, place):
    expected = run(words(0, "--stop-when-decided", "--json"))
    before = set(place.glob("ft/runs/2*"))
    command = words(0.1, "--stop-when-decided", "--json")
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not answered(place, set(place.glob("ft/runs/2*")) - before):
        assert time.monotonic() < until, "nothing was answered"
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for number in sorted(map(int, processes_of(place))):  # whoever started the others first
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    said = run(command)
    assert len(set(place.glob("ft/runs/2*")) - before) == 1, "it is the same run"
    assert said["stop_when_decided"] == expected["stop_when_decided"]
    assert of(said, "base")["answers"]["resumed"] > 0
    assert of(said, "adapter")["scores"] == of(expected, "adapter")["scores"]


def test_an_adapter_that_needs_an_engine_of_its_own_is_refused_by_name(
    environments, adapter, tasks, place
):
    apart = place / "apart"
    apart.mkdir()
    config = json.loads((adapter / "adapter_config.json").read_text()) | {"bias": "all"}
    (apart / "adapter_config.json").write_text(json.dumps(config))
    weights = (adapter / "adapter_model.safetensors").read_bytes()
    (apart / "adapter_model.safetensors").write_bytes(weights)
    request = EvaluationRequest(
        tasks=("pairs",),
        base_model=str(paths.MODEL),
        variants=(NamedVariant("apart", apart),),
        with_base=True,
        include=(tasks,),
        engine="hf",
        stop_when_decided=True,
    )
    done = evaluation_run.run(request, choose_backend())
    assert done.status.reason == "refused"
    assert "'apart' has one of its own" in done.log_tail + done.message
