"""The job that embeds: what it is told, and that what it wrote is a stranger's upload."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rdagent.errors import JobFailed, ResultError
from rdagent.jobs.spec import JobSpec
from rdagent.records.embeddings import EMBEDDED_FILE, VECTORS_FILE, EmbedRequest
from rdagent.suites.homebench.retrieval import embedding_job
from rdagent.suites.homebench.retrieval.embedders import local_llm
from rdagent.suites.homebench.retrieval.embedding_job import (
    JobSettings,
    embed_in_job,
)
from rdagent.suites.homebench.retrieval.embedding_job import (
    embedding_job as job_of,
)
from tests.unit.suites.homebench.retrieval.fake_vectors import (
    LENGTH,
    EmbeddingBackend,
    vector,
    write_vectors,
)

TEXTS = ["the kitchen", "{mount:out} of the foyer", "关灯\u2028 now", "the garage"]


def embed(source, backend, texts=TEXTS):
    return embed_in_job(texts, source, JobSettings(backend, 60))


def test_every_text_gets_its_vector_whatever_it_says(llm):
    backend = EmbeddingBackend()
    found = embed(llm.source, backend)
    assert backend.texts == [TEXTS]
    assert (found.of(TEXTS) == np.stack([vector(text) for text in TEXTS])).all()


def test_the_job_is_sealed_and_gets_the_model_and_the_texts_read_only(llm, tmp_path):
    spec = job_of(llm.source, tmp_path, 60)
    assert (spec.role, spec.network, spec.gpus) == ("lm-eval", "none", ())
    assert all(mount.read_only for mount in spec.mounts)
    assert spec.environment["HF_HUB_OFFLINE"] == "1"
    assert JobSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_language_model_is_told_to_read_the_last_token_of_whole_texts(llm):
    backend = EmbeddingBackend()
    embed(llm.source, backend)
    told = EmbedRequest.from_json(backend.requests[0])
    assert (told.pooling, told.whole, told.weights, told.on_gpu) == ("last", True, "float32", False)
    assert told.model == "/workspace/models/base"


def test_on_a_gpu_the_weights_stay_as_they_are_stored(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "rdagent.suites.homebench.retrieval.embedders.visible_gpus", lambda: ("GPU-1", "GPU-2")
    )
    spec = job_of(local_llm("tiny").source, tmp_path, 60)
    told = EmbedRequest.from_json(json.loads(spec.files["request.json"]))
    assert (spec.gpus, spec.accelerator) == (("GPU-1",), "cuda")
    assert (told.weights, told.on_gpu) == ("stored", True)
    monkeypatch.setenv("FT_BENCHMARK_NUM_GPUS", "0")
    assert local_llm("tiny").source.gpus == ()


def test_texts_that_were_cut_are_named(dense):
    assert embed(dense.source, EmbeddingBackend(cut=TEXTS[1:2])).cut == {TEXTS[1]}


def test_a_job_that_fails_says_why_and_where_to_look(llm, tmp_path):
    with pytest.raises(JobFailed, match="too long") as caught:
        embed(llm.source, EmbeddingBackend(reason="refused"))
    (run,) = (tmp_path / "ft" / "runs").glob("2*")
    assert str(run) in caught.value.hint
    assert json.loads((run / "status.json").read_text())["reason"] == "refused"


def drop_one(out):
    content = (out / VECTORS_FILE).read_bytes()
    (out / VECTORS_FILE).write_bytes(content[: -LENGTH * 4])


def change_one(out):
    content = bytearray((out / VECTORS_FILE).read_bytes())
    content[1] ^= 1
    (out / VECTORS_FILE).write_bytes(content)


def embed_fewer(out):
    write_vectors(out, TEXTS[:3])


def link(out):
    (out / VECTORS_FILE).rename(out / "elsewhere")
    (out / VECTORS_FILE).symlink_to("elsewhere")


def say(**change):
    def spoil(out):
        document = json.loads((out / EMBEDDED_FILE).read_text())
        (out / EMBEDDED_FILE).write_text(json.dumps({**document, **change}))

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        drop_one,
        change_one,
        embed_fewer,
        link,
        say(count=3),
        say(dimension=LENGTH // 2),
        say(dimension=0),
        say(cut=[4]),
        say(cut=[True]),
        say(schema="another"),
    ],
)
def test_what_is_not_what_it_says_is_not_taken(llm, spoil):
    with pytest.raises((ResultError, JobFailed)):
        embed(llm.source, EmbeddingBackend(spoil=spoil))


def test_a_model_that_changed_meanwhile_gives_no_vectors(sentence_model):
    folder = sentence_model()
    source = local_llm(str(folder)).source

    def change(out):
        (folder / "generation_config.json").write_text("{}")

    with pytest.raises(ResultError, match="changed"):
        embed(source, EmbeddingBackend(spoil=change))


def test_ctrl_c_is_told_once_the_end_is_written(llm, tmp_path, monkeypatch):
    backend = EmbeddingBackend()
    monkeypatch.setattr(embedding_job, "run_job", interrupted(embedding_job.run_job))
    with pytest.raises(KeyboardInterrupt):
        embed(llm.source, backend)
    (run,) = (tmp_path / "ft" / "runs").glob("2*")
    assert json.loads((run / "status.json").read_text())["reason"] == "cancelled"


def interrupted(run_job):
    return lambda *given: replace(run_job(*given), interrupted=True)


def test_the_run_keeps_what_it_was_made_of_and_not_the_vectors(llm, tmp_path):
    embed(llm.source, EmbeddingBackend())
    (run,) = (tmp_path / "ft" / "runs").glob("2*")
    assert json.loads((run / "manifest.json").read_text())["kind"] == "embed"
    assert list(run.rglob(VECTORS_FILE)) == []
