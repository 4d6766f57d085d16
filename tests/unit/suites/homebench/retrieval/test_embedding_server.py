"""A server that embeds, asked as OpenAI's protocol has it, on this machine."""

import json
import math

import numpy as np
import pytest

from rdagent.errors import JobFailed, RefusedError, ResultError
from rdagent.suites.homebench.retrieval.embedders import served_dense
from rdagent.suites.homebench.retrieval.embedding_server import (
    BATCH_CHARACTERS,
    BATCH_TEXTS,
    batches_of,
    client_of,
    embed_by_server,
    read_embeddings,
)
from tests.chat_server import Fault, refusal
from tests.embedding_server import embedding


def client(server, pauses=None, name="m", **options):
    found = client_of(served_dense(server.url, name, **options).source)
    found.patience.draw = lambda: 0.0
    found.patience.pause = lambda seconds: (pauses if pauses is not None else []).append(seconds)
    return found


def test_each_text_gets_its_vector_in_whatever_order_the_server_lists_them():
    with embedding(rows=lambda rows: rows[::-1]) as server:
        found = embed_by_server(["a", "bb", "ccc"], client(server))
    directions = [[1 / math.hypot(1, n), n / math.hypot(1, n)] for n in (1, 2, 3)]
    assert np.allclose(found.of(["a", "bb", "ccc"]), directions)
    assert server.asked[0] == {"model": "m", "input": ["a", "bb", "ccc"]}


def test_many_texts_are_sent_some_at_a_time_and_none_twice():
    texts = [f"text {n}" for n in range(2 * BATCH_TEXTS + 5)]
    with embedding() as server:
        found = embed_by_server(texts, client(server))
    assert server.texts() == texts
    assert [len(body["input"]) for body in server.asked] == [BATCH_TEXTS, BATCH_TEXTS, 5]
    assert list(found.places) == texts


def test_long_texts_are_sent_fewer_at_a_time_and_one_that_is_too_long_alone():
    long, longer = "x" * (BATCH_CHARACTERS // 2), "y" * (2 * BATCH_CHARACTERS)
    sizes = [len(batch) for batch in batches_of(["a", long, long, longer, "b"])]
    assert sizes == [2, 1, 1, 1]


def test_the_pause_that_a_server_asks_for_is_made():
    pauses = []
    with embedding(faults=[Fault(429, {}, {"Retry-After": "17"})]) as server:
        embed_by_server(["a"], client(server, pauses))
    assert pauses == [17.0]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "fault", [Fault(503, b"busy"), Fault(200, b"<html>"), Fault(200, {"data": []}), Fault(cut=0)]
)
def test_what_may_pass_is_tried_again(fault):
    with embedding(faults=[fault]) as server:
        assert embed_by_server(["a"], client(server)).places == {"a": 0}


def test_what_does_not_pass_ends_it_with_the_servers_own_words():
    with embedding(rule=lambda body: refusal(400, "input is too long")) as server:
        with pytest.raises(JobFailed, match="input is too long"):
            embed_by_server(["a"], client(server))
        assert len(server.asked) == 1


def test_a_server_that_never_answers_is_given_up():
    with embedding(rule=lambda body: Fault(500, b"no")) as server:
        asker = client(server)
        asker.patience.tries = 3
        with pytest.raises(JobFailed, match="3 tries"):
            embed_by_server(["a"], asker)
        assert len(server.asked) == 3


def test_the_key_is_sent_and_stands_in_no_message(tmp_path):
    (tmp_path / "key").write_text("sk-right\n")
    (tmp_path / "wrong").write_text("sk-wrong\n")
    with embedding(key="sk-right") as server:
        embed_by_server(["a"], client(server, key_file=tmp_path / "key"))
        assert server.headers[0]["authorization"] == "Bearer sk-right"
        with pytest.raises(RefusedError) as caught:
            embed_by_server(["a"], client(server, key_file=tmp_path / "wrong"))
    assert "sk-wrong" not in str(caught.value)


def test_a_key_of_the_environment_is_sent(monkeypatch):
    monkeypatch.setenv("RDAGENT_ENDPOINT_KEY", "sk-env")
    with embedding(key="sk-env") as server:
        embed_by_server(["a"], client(server))


def test_a_redirect_is_not_followed():
    moved = Fault(302, b"", {"Location": "http://127.0.0.1:9/v1/embeddings"})
    with (
        embedding(rule=lambda body: moved) as server,
        pytest.raises(RefusedError, match="redirects"),
    ):
        embed_by_server(["a"], client(server))


def test_a_model_that_the_server_does_not_have_is_named_with_those_it_has():
    with (
        embedding(rule=lambda body: refusal(404, "no such model"), models=("e5",)) as server,
        pytest.raises(RefusedError, match="no model 'm'") as caught,
    ):
        embed_by_server(["a"], client(server))
    assert "e5" in caught.value.hint


def test_a_server_that_only_chats_is_not_there():
    with (
        embedding(rule=lambda body: Fault(404, {"detail": "Not Found"})) as server,
        pytest.raises(RefusedError, match="/embeddings is not there"),
    ):
        embed_by_server(["a"], client(server))


def test_vectors_of_different_lengths_are_refused():
    with (
        embedding(vector=lambda text: [1.0] * len(text)) as server,
        pytest.raises(ResultError, match="different lengths"),
    ):
        embed_by_server(["a", "bb"], client(server))


def test_a_vector_without_a_direction_is_refused():
    with (
        embedding(vector=lambda text: [0.0, 0.0]) as server,
        pytest.raises(ResultError, match="no directions"),
    ):
        embed_by_server(["a"], client(server))


def row(index, vector):
    return {"index": index, "embedding": vector}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [row(0, [1])],
        [row(0, [1]), row(0, [1])],
        [row(0, [1]), row(2, [1])],
        [row(0, [1]), row(True, [1])],
        [row(0, [1]), row(1, [])],
        [row(0, [1]), row(1, ["1"])],
        [row(0, [1]), row(1, [True])],
        [row(0, [1]), row(1, [1e300])],
        [row(0, [1]), row(1, "AAAA")],
        [row(0, [1]), "no row"],
    ],
)
def test_an_answer_that_is_not_one_vector_for_each_text_is_none(data):
    with pytest.raises(ResultError):
        read_embeddings(json.dumps({"data": data}).encode(), 2)


def test_rows_without_numbers_of_their_own_stand_in_the_order_of_the_texts():
    body = json.dumps({"data": [{"embedding": [1]}, {"embedding": [2]}]}).encode()
    assert read_embeddings(body, 2) == [[1.0], [2.0]]
