"""A place of one's own, data, and folders that look like models."""

import json

import pytest

from rdagent.demo import paths
from rdagent.suites.homebench.asking import Asking, select
from rdagent.suites.homebench.data.generate import Plan, generate, write
from rdagent.suites.homebench.retrieval.embedders import local_dense, local_llm


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Nothing is read or written outside of the test's folder."""
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("RDAGENT_RUNS", "RDAGENT_ENDPOINT_KEY", "FT_BENCHMARK_NUM_GPUS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    write(generate(Plan(homes=10, records=100, seed=4)), folder)
    return folder


@pytest.fixture
def asking(data):
    return Asking(mode="rag", data=data, retriever="dense", top_k=2)


@pytest.fixture
def asked(asking):
    return select(asking)


@pytest.fixture
def llm():
    return local_llm("tiny")


@pytest.fixture
def dense():
    return local_dense("tiny")


@pytest.fixture
def sentence_model(tmp_path):
    """A copy of the demo's model that says of itself what sentence-transformers would."""

    def make(pooling=None, modules=None, **files):
        folder = tmp_path / "sentences"
        folder.mkdir(exist_ok=True)
        for path in paths.MODEL.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        if pooling is not None:
            (folder / "1_Pooling").mkdir(exist_ok=True)
            (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
        if modules is not None:
            rows = [
                {"type": f"sentence_transformers.models.{kind}", "path": f"{number}_{kind}"}
                for number, kind in enumerate(modules)
            ]
            (folder / "modules.json").write_text(json.dumps(rows))
        for name, document in files.items():
            (folder / f"{name}.json").write_text(json.dumps(document))
        return folder

    return make
