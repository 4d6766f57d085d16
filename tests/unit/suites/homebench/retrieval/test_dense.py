"""Rooms by likeness: clause by clause, within one home, and always the same ones."""

from dataclasses import replace

import numpy as np
import pytest

from rdagent.suites.homebench.retrieval.dense import ByVectors, passages, queries, texts_of
from rdagent.suites.homebench.retrieval.embedders import Wrapping
from rdagent.suites.homebench.retrieval.vectors import Vectors
from tests.unit.suites.homebench.made_up import asked, home, records
from tests.unit.suites.homebench.retrieval.fake_vectors import vectors_of


@pytest.fixture
def of(tmp_path):
    def record(text):
        (found,) = records(tmp_path, [asked("a", text, "'''error_input'''", "unexist_device")])
        return found

    return record


def retriever(record, embedder):
    texts = texts_of([record], {7: home()}, embedder)
    return ByVectors(embedder, vectors_of(texts))


@pytest.mark.parametrize(
    ("text", "rooms"),
    [
        ("Dim the light of the kitchen.", ("kitchen",)),
        ("Set the vacuum robot to strong.", ("vacuum_robot",)),
        ("Start the vacuum robot, dim the kitchen light.", ("kitchen", "vacuum_robot")),
        ("Dim the kitchen light, open the curtain.", ("kitchen", "ding_room")),
    ],
)
def test_each_clause_gets_its_own_rooms_and_they_come_in_the_homes_order(of, dense, text, rooms):
    record = of(text)
    assert retriever(record, dense).rooms(record, home(), 1) == rooms


def test_so_many_rooms_for_a_clause_and_never_more_than_there_are(of, dense):
    record = of("Dim the light of the kitchen.")
    found = retriever(record, dense)
    assert [len(found.rooms(record, home(), k)) for k in (1, 2, 4, 9)] == [1, 2, 4, 4]


def test_equally_like_rooms_are_taken_in_the_homes_order(of, dense):
    record = of("Turn it on.")
    texts = texts_of([record], {7: home()}, dense)
    noise = np.random.default_rng(0).normal(size=(len(texts), 2)) * 1e-7
    matrix = np.full((len(texts), 2), np.sqrt(0.5)) + noise
    same = Vectors({text: place for place, text in enumerate(texts)}, matrix.astype("<f4"))
    assert ByVectors(dense, same).rooms(record, home(), 2) == ("kitchen", "ding_room")


def test_a_rooms_status_and_its_methods_are_one_text(dense):
    kitchen, *_ = passages(home(), dense)
    assert "brightness 40" in kitchen
    assert "turn_off" in kitchen


def test_rooms_and_requests_are_embedded_with_what_stands_around_each(of, dense):
    told = replace(dense, query=Wrapping("query: "), passage=Wrapping("passage: "))
    assert all(text.startswith("passage: ") for text in passages(home(), told))
    assert all(text.startswith("query: ") for text in queries(of("Turn it on."), told))


def test_every_text_is_wanted_once_however_often_it_is_said(tmp_path, dense):
    lines = [asked(str(n), "Turn it on.", "'''error_input'''", "unexist_device") for n in range(3)]
    texts = texts_of(records(tmp_path, lines), {7: home()}, dense)
    assert len(texts) == len(set(texts)) == len(home().rooms) + 1
