"""Data fetched from a hub in the image that evaluates, then used by a job without a network.

The hub is a small server on this machine; the official one is not asked by any test.
"""

import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from rdagent.cli.main import main
from rdagent.demo import paths
from rdagent.evaluation.benchmarks import data_folder
from rdagent.evaluation.request import EvaluationRequest
from rdagent.evaluation.run import run
from rdagent.jobs.backends import docker as docker_backend
from rdagent.jobs.backends.docker import DockerBackend
from tests.hub_server import COMMIT, FakeHub, Repo, serving

pytestmark = [pytest.mark.engine, pytest.mark.images]
TOKEN = "hf_a_token_that_nobody_may_see"
CARD = b"""---
configs:
- config_name: main
  data_files:
  - {split: train, path: main/train.jsonl}
  - {split: test, path: main/test.jsonl}
---
"""


def rows(count: int, word: str) -> bytes:
    items = ({"question": f"{word} {i}?", "answer": f"so #### {i}"} for i in range(count))
    return "".join(json.dumps(item) + "\n" for item in items).encode()


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def hub(images, place: Path):
    """A hub on a network of its own, since a test cannot rely on the default bridge.

    What is fetched goes to a folder of its own: other tests add real data of the same names.
    """
    name = f"rdagent-test-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    options = docker_backend.host_options

    def on_our_network(job):
        found = options(job)
        return {**found, "network_mode": name} if found["network_mode"] == "bridge" else found

    try:
        gateway = json.loads(docker("network", "inspect", name))[0]["IPAM"]["Config"][0]["Gateway"]
        with pytest.MonkeyPatch.context() as patch, serving(gateway) as server:
            patch.setattr(docker_backend, "host_options", on_our_network)
            patch.setenv("HF_ENDPOINT", server.url)
            patch.setenv("HF_DATASETS_CACHE", str(place / "fetched 数据"))
            patch.setenv("HF_TOKEN", TOKEN)
            files = {"README.md": CARD, "main/train.jsonl": rows(9, "train")}
            server.repos["openai/gsm8k"] = Repo({**files, "main/test.jsonl": rows(4, "test")})
            yield server
    finally:
        docker("network", "rm", name)


@pytest.fixture(scope="module")
def fetched(hub: FakeHub, tmp_path_factory):
    """What one command leaves: of two tasks, the hub has one."""
    code = main(["benchmarks", "fetch", "gsm8k", "hellaswag", "--send-token"])
    return code, data_folder() / "openai--gsm8k" / "main"


def test_what_the_hub_has_is_kept_and_what_it_lacks_is_named(fetched, capsys):
    code, place = fetched
    assert code == 6
    manifest = json.loads((place / "manifest.json").read_text())
    assert (manifest["origin"], manifest["revision"]) == ("hub", COMMIT)
    assert {name: split["rows"] for name, split in manifest["splits"].items()} == {
        "train": 9,
        "test": 4,
    }
    assert not (data_folder() / "Rowan--hellaswag").exists()


def test_the_token_reaches_the_hub_and_nothing_that_is_kept(fetched, hub, place):
    assert any(headers.get("authorization") == f"Bearer {TOKEN}" for _, headers in hub.asked)
    for folder in (place, data_folder(), Path(os.environ["FT_FILE_PATH"])):
        for path in folder.rglob("*"):
            assert path.is_dir() or TOKEN.encode() not in path.read_bytes(), path


def test_fetched_data_are_used_by_a_job_without_a_network(fetched, hub):
    hub.asked.clear()
    request = EvaluationRequest(
        tasks=("gsm8k",), base_model=str(paths.MODEL), with_base=True, engine="hf"
    )
    evaluation = run(request, DockerBackend())
    assert evaluation.status.reason == "ok", evaluation.log_tail
    assert evaluation.variants[0].scores["gsm8k"].n == 4
    assert hub.asked == []


def test_what_is_here_is_not_fetched_again(fetched, hub, capsys):
    hub.asked.clear()
    assert main(["benchmarks", "fetch", "gsm8k", "--send-token"]) == 0
    assert "here already: gsm8k" in capsys.readouterr().out
    assert hub.asked == []
