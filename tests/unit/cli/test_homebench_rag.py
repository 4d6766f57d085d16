"""``rdagent homebench rag`` as a command, and ``run --mode rag`` up to the model."""

import argparse
import json
import os

import pytest

from rdagent.cli import homebench_retrieval, homebench_run
from rdagent.cli.homebench_retrieval import embedder_of
from rdagent.cli.main import main
from rdagent.cli.terminal import Terminal
from rdagent.errors import UsageError
from rdagent.suites.homebench import asking as asks
from rdagent.suites.homebench.data.generate import Plan, generate, write
from rdagent.suites.homebench.retrieval import retrieval_file
from tests.unit.suites.homebench.retrieval.fake_vectors import EmbeddingBackend


@pytest.fixture
def backend(monkeypatch):
    made = EmbeddingBackend()
    monkeypatch.setattr(homebench_retrieval, "choose_backend", lambda: made)
    return made


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))
    # Set and not deleted: what a command sets is undone after the test.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("HOMEBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    write(generate(Plan(homes=10, records=100, seed=4)), tmp_path / "dataset")
    return tmp_path


def rag(*words):
    return main(["homebench", "rag", *words])


def document(capsys, *words):
    capsys.readouterr()
    assert rag(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_one_document_has_the_measures_of_every_category(capsys):
    found = document(capsys, "--retriever", "oracle")
    assert list(found["records"]) == ["ALL", "VS", "IS", "VM", "IM", "MM"]
    whole = found["records"]["ALL"]
    assert (whole["recall"], whole["full_recall"]) == (1.0, 1.0)
    assert 0 < whole["context_share"] < 1
    assert found["lexical"]["ALL"]["n"] == whole["n"]


def test_the_table_holds_the_retriever_and_matching_names(capsys):
    assert rag("--retriever", "random", "--top-k", "1") == 0
    said = capsys.readouterr()
    assert "ALL by lexical" in said.out
    assert "ALARM: random finds" in said.err


def test_the_file_stands_beside_the_data_and_is_used_again(capsys, place, backend):
    words = ("--retriever", "llm", "--model_name", "tiny")
    first, second = document(capsys, *words), document(capsys, *words)
    assert first["file"] == second["file"] == "dataset/tiny-home-1M_rag_test_data.json"
    assert (first["reused"], second["reused"]) == (False, True)
    assert first["records"] == second["records"]
    assert len(backend.texts) == 1
    kept = retrieval_file.read_file(place / first["file"])
    assert len(kept.rooms) == first["records"]["ALL"]["n"]


def test_out_names_another_file(capsys, place):
    assert document(capsys, "--out", "mine.json")["file"] == "mine.json"
    assert (place / "mine.json").exists()


def test_the_devices_that_may_be_used_are_those_named(capsys):
    document(capsys, "--cuda_devices", "1,2")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,2"


def parsed(*words):
    parser = argparse.ArgumentParser()
    homebench_run.add_arguments(parser)
    return parser.parse_args(["--model_name", "tiny", "--mode", "rag", *words])


def test_in_a_run_the_model_that_is_asked_embeds_unless_another_is_named(place):
    asked = embedder_of(parsed("--retriever", "llm"))
    assert asked.name == "tiny-home-1M"
    assert embedder_of(parsed("--retriever", "lexical")) is None


@pytest.mark.parametrize(
    "words",
    [
        ("--retriever", "dense"),
        ("--retriever", "dense", "--endpoint", "https://host/v1"),
        ("--retriever", "dense", "--embedding-model", "tiny", "--embedding-name", "m"),
        ("--retriever", "dense", "--embedding-model", "tiny", "--endpoint", "https://host/v1"),
        ("--retriever", "llm", "--endpoint", "https://host/v1", "--embedding-name", "m"),
        ("--retriever", "llm", "--query-prefix", "query: "),
        ("--retriever", "lexical", "--embedding-model", "tiny"),
        ("--retriever", "oracle", "--endpoint", "https://host/v1"),
    ],
)
def test_what_does_not_go_together_is_refused(words):
    with pytest.raises(UsageError):
        embedder_of(parsed(*words))


def test_without_a_model_llm_is_refused_and_no_backend_is_looked_for(capsys):
    assert rag("--retriever", "llm") == 2
    assert "--model_name" in capsys.readouterr().err


def test_a_model_for_a_retriever_that_asks_none_is_refused(capsys):
    assert rag("--retriever", "lexical", "--model_name", "tiny") == 2


def test_a_run_builds_the_rooms_that_are_missing_and_uses_them(capsys, backend):
    arguments = parsed("--retriever", "dense", "--embedding-model", "tiny", "--limit", "4")
    for _ in range(2):
        asking = homebench_run.asking_of(arguments)
        asked = asks.select(asking)
        embedder = embedder_of(arguments)
        terminal = Terminal()
        asking = homebench_run._retrieve(asked, asking, embedder, arguments, terminal)
        prompts = [json.loads(line)["rooms"] for line in asks.lines(asked, asking)]
        assert prompts == [",".join(asking.rooms[record.id]) for record in asked.records]
    assert len(backend.texts) == 1
    said = capsys.readouterr().err
    assert "retrieval (dense): recall" in said
    assert "which was made of the same" in said
