"""The embedding program without its libraries: what it reads, and how it says that it failed."""

import json
from dataclasses import replace

import pytest

from rdagent.errors import RefusedError, ResultError
from rdagent.inside.embed import __main__ as program
from rdagent.records.embeddings import EMBEDDED_FILE, VECTORS_FILE, EmbedRequest
from rdagent.records.status import InsideStatus

REQUEST = EmbedRequest("model", "texts.jsonl", "out", "last", whole=True)


@pytest.fixture
def run(tmp_path):
    def run(texts='"a"\n'):
        (tmp_path / "texts.jsonl").write_text(texts)
        request = replace(REQUEST, texts=str(tmp_path / "texts.jsonl"), output=str(tmp_path))
        (tmp_path / "request.json").write_text(json.dumps(request.to_json()))
        code = program.main([str(tmp_path / "request.json")])
        return code, InsideStatus.read(tmp_path)

    return run


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RefusedError("too long"), "refused"),
        (ResultError("no numbers"), "incomplete"),
        (MemoryError(), "out_of_memory"),
        (ValueError("anything"), "command_failed"),
    ],
)
def test_what_went_wrong_is_in_the_status_and_no_vectors_are_written(
    run, tmp_path, monkeypatch, error, reason
):
    def fail(request):
        raise error

    monkeypatch.setattr(program, "load", fail)
    code, status = run()
    assert (code, status.reason) == (1, reason)
    assert not (tmp_path / VECTORS_FILE).exists()
    assert not (tmp_path / EMBEDDED_FILE).exists()


@pytest.mark.parametrize("texts", ["", "7\n", '"a"\n["b"]\n', "a\n"])
def test_a_file_that_holds_other_than_texts_is_no_file_of_texts(run, texts):
    code, status = run(texts)
    assert code == 1
    assert status.reason in ("incomplete", "command_failed")


def test_a_text_stays_as_it_is_over_line_ends_and_quotes(tmp_path):
    texts = ['a\nb\u2028c "d"', "关灯", "{mount:out}"]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(text) + "\n" for text in texts))
    assert program.read_texts(path) == texts
