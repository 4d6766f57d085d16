"""A pretended evaluation and training, for the public door without an engine."""

import json
import math
import struct
from pathlib import Path

import pytest

from rdagent.evaluation.benchmarks import data_folder
from rdagent.evaluation.benchmarks_add import AddRequest, add
from rdagent.jobs.backends.fake import FakeBackend, Program
from rdagent.records.status import InsideStatus, PartStatus
from tests.weights import weights

IMAGE = "rdagent-fake"
EVALUATE = ("bash", "/app/eval_entrypoint.sh")
TRAIN = ("bash", "/app/train_entrypoint.sh")


def lm_eval_results(task="demo_home", value=0.75, n=4):
    return {
        "results": {
            task: {"alias": task, "exact_match,braces": value, "exact_match_stderr,braces": 0.1}
        },
        "n-samples": {task: {"original": 300, "effective": n}},
        "higher_is_better": {task: {"exact_match": True}},
        "versions": {task: 1.0},
        "lm_eval_version": "0.4.13",
    }


def write_adapter(folder: Path, **config):
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 1,
        "lora_alpha": 2,
        "target_modules": ["q_proj"],
        "base_model_name_or_path": "gone",
        **config,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    rank, place = config["r"], "base_model.model.q_proj"
    shapes = {f"{place}.lora_A.weight": [rank, 1], f"{place}.lora_B.weight": [1, rank]}
    if config.get("use_dora"):
        shapes[f"{place}.lora_magnitude_vector"] = [1]
    header, values = {}, []
    for name, shape in shapes.items():
        begin = 4 * len(values)
        values += [0.5 + n for n in range(math.prod(shape))]
        places = [begin, 4 * len(values)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": places}
    text = json.dumps(header).encode()
    content = struct.pack("<Q", len(text)) + text + struct.pack(f"<{len(values)}f", *values)
    (folder / "adapter_model.safetensors").write_bytes(content)


def evaluates(results=None, reason="ok", said=None):
    """A program that scores every variant as told."""

    def act(words, out):
        request = json.loads(words.files["request.json"])
        parts = []
        for variant in request["variants"]:
            folder = out / "variants" / variant["name"]
            folder.mkdir(parents=True)
            document = lm_eval_results() if results is None else results
            (folder / "results.json").write_text(json.dumps(document))
            (folder / "samples_demo_home.jsonl").write_text('{"doc_id": 0}\n')
            parts.append(PartStatus(variant["name"], said or reason))
        InsideStatus(reason, "", tuple(parts)).write(out)

    return Program(does=act, exit_code=0 if reason == "ok" else 1)


def trains(reason="ok"):
    """A program that leaves an adapter and its record."""

    def act(words, out):
        write_adapter(out / "adapter")
        train = {"schema": "rdagent.train-result/1", "seconds": 1.0, "steps": 2}
        (out / "train.json").write_text(json.dumps(train))
        InsideStatus(reason, "the loss is no number" if reason == "diverged" else "").write(out)

    return Program(does=act, exit_code=0 if reason == "ok" else 1)


@pytest.fixture
def backend(monkeypatch):
    monkeypatch.setenv("BENCHMARK_DOCKER_IMAGE", IMAGE)
    monkeypatch.setenv("FT_DOCKER_IMAGE", IMAGE)

    def make(evaluate=None, train=None):
        fake = FakeBackend({EVALUATE: evaluate or evaluates(), TRAIN: train or trains()})
        fake.images = {IMAGE}
        return fake

    return make


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path):
    """Everything that is written lands in the test's own folder; a base model is there."""
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FT_ENV", "docker")
    model = tmp_path / "base"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "qwen2"}')
    (model / "model.safetensors").write_bytes(weights())
    monkeypatch.setenv("FT_BASE_MODEL", str(model))
    return tmp_path


@pytest.fixture
def workspace(tmp_path):
    write_adapter(tmp_path / "w" / "output")
    return tmp_path / "w"


@pytest.fixture
def gsm8k(tmp_path):
    """Two items of gsm8k and examples to draw from, as a user would add them."""
    row = {"question": "How many?", "answer": "one #### 1"}
    (tmp_path / "gsm8k.jsonl").write_text((json.dumps(row) + "\n") * 6)
    files = {role: tmp_path / "gsm8k.jsonl" for role in ("test", "train")}
    return add(AddRequest("gsm8k", files, {}), data_folder())
