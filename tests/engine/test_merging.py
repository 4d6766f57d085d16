"""Adapters that vLLM cannot serve: merged first, they answer as peft does."""

import json
import subprocess
from pathlib import Path

import pytest

from rdagent.demo import mini_home, paths
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.request import EvaluationRequest, NamedVariant
from rdagent.jobs.backends.docker import DockerBackend
from tests.engine import unservable
from tests.engine.conftest import jobs_under

# A merge and a start of vLLM for each adapter: minutes where other work goes on beside it.
pytestmark = [pytest.mark.engine, pytest.mark.images, pytest.mark.timeout(1800)]

LIMIT, ANSWER_TOKENS = 6, 24


@pytest.fixture(scope="module")
def adapters(images, place) -> Path:
    """One adapter of each kind on the demo's base, made with the evaluation image's peft."""
    folder = place / "unservable"
    folder.mkdir()
    folder.chmod(0o777)  # the image's user is not ours
    mounts = (
        (str(Path(unservable.__file__)), "/make.py", ":ro"),
        (str(paths.MODEL), "/base", ":ro"),
        (str(folder), "/made", ""),
    )
    volumes = [
        word for source, target, mode in mounts for word in ("-v", f"{source}:{target}{mode}")
    ]
    words = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "sh", *volumes]
    script = "python /make.py /base /made && chmod -R a+rwX /made/*"
    subprocess.run([*words, images["lm-eval"], "-c", script], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def answers(adapters):
    def run(engine):
        request = EvaluationRequest(
            tasks=(mini_home.TASK,),
            base_model=str(paths.MODEL),
            variants=tuple(
                NamedVariant(name, adapter=adapters / name) for name in unservable.KINDS
            ),
            with_base=engine == "hf",
            include=(paths.TASK_FOLDER,),
            engine=engine,
            limit=LIMIT,
            max_gen_toks=ANSWER_TOKENS,
            timeout_seconds=900,
        )
        return evaluation_run.run(request, DockerBackend())

    return {engine: run(engine) for engine in ("hf", "vllm")}


def texts(evaluation, name):
    path = evaluation.variant(name).folder / f"samples_{mini_home.TASK}.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["doc_id"]: row["resps"][0][0] for row in rows}


@pytest.mark.parametrize("name", unservable.KINDS)
def test_merged_and_served_by_vllm_an_adapter_answers_as_with_peft(answers, name):
    on_hf, on_vllm = answers["hf"], answers["vllm"]
    assert on_vllm.status.reason == "ok", on_vllm.message
    assert texts(on_vllm, name) == texts(on_hf, name)
    # Answers of the base would agree as well.
    assert texts(on_hf, name) != texts(on_hf, "base")


@pytest.mark.parametrize("name", unservable.KINDS)
def test_a_merged_adapter_is_said_to_be_everywhere(answers, name):
    evaluation = answers["vllm"]
    variant = evaluation.variant(name)
    assert any(note.startswith(f"{name}: merged") for note in evaluation.notes)
    assert any("merged into its base" in note for note in variant.notes)
    manifest = json.loads((evaluation.folder / "manifest.json").read_text())
    merged = manifest["inside"][name]["merged"]
    assert manifest["inside"][name]["engine"] == "vllm"
    assert merged["largest_change"] > 0.01
    assert merged["difference"] < 0.005


def test_a_resized_vocabulary_brings_its_own_tokenizer(answers):
    for engine in ("hf", "vllm"):
        notes = answers[engine].variant("saved").notes
        assert any("own tokenizer" in note for note in notes), engine


def test_nothing_of_a_merged_model_is_left(answers, place):
    assert list(answers["vllm"].folder.rglob("merged")) == []
    assert jobs_under(place) == []
