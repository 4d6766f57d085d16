"""The file with retrieved rooms: what it was made of decides whether it is used."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.errors import RefusedError, ResultError
from rdagent.suites.homebench.retrieval import retrieval_file
from rdagent.suites.homebench.retrieval.embedders import local_dense
from rdagent.suites.homebench.retrieval.retrieval_file import (
    RetrievalFile,
    default_path,
    read_file,
    rooms_for,
    stamp_of,
    write_file,
)
from rdagent.suites.homebench.retrieval.retrievers import All


@pytest.fixture
def stamp(asking, dense):
    return stamp_of(asking, dense)


def test_what_was_written_is_read_again(tmp_path, stamp):
    rooms = {"home1_one_1": ("kitchen", "foyer"), "b": ()}
    write_file(tmp_path / "r.json", stamp, rooms)
    found = read_file(tmp_path / "r.json")
    assert found.rooms == rooms
    assert found.differs(stamp) == []


def test_where_there_is_no_file_nothing_is_read(tmp_path):
    assert read_file(tmp_path / "r.json") is None


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"top_k": 3}, "top_k"),
        ({"style": "compact"}, "style"),
        ({"retriever": "lexical"}, "retriever"),
    ],
)
def test_another_question_is_another_stamp(asking, dense, stamp, change, name):
    other = stamp_of(replace(asking, **change), dense)
    assert RetrievalFile(stamp, {}).differs(other) == [name]


def test_another_model_is_another_stamp(asking, stamp):
    other = stamp_of(asking, local_dense("tiny", "query: "))
    assert RetrievalFile(stamp, {}).differs(other) == ["model"]


@pytest.mark.parametrize("name", ["home_status_method.jsonl", "test_data.jsonl"])
def test_a_changed_byte_of_the_data_is_another_stamp(asking, dense, stamp, data, name):
    path = data / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert RetrievalFile(stamp, {}).differs(stamp_of(asking, dense)) == ["data"]


def test_another_rule_for_clauses_is_another_stamp(asking, dense, stamp, tmp_path, monkeypatch):
    changed = tmp_path / "clauses.py"
    changed.write_bytes(Path(retrieval_file.clauses.__file__).read_bytes() + b"\n_MORE = 1\n")
    monkeypatch.setattr(retrieval_file.clauses, "__file__", str(changed))
    assert RetrievalFile(stamp, {}).differs(stamp_of(asking, dense)) == ["rules"]


def test_a_seed_decides_only_what_is_drawn(asking):
    for retriever, seeds in (("random", 2), ("lexical", 1)):
        asked = replace(asking, retriever=retriever)
        stamps = [stamp_of(replace(asked, seed=seed), None) for seed in (1, 2)]
        assert len({json.dumps(stamp, sort_keys=True) for stamp in stamps}) == seeds


def test_files_are_named_after_the_model_as_the_benchmark_does(asking, llm, dense):
    names = {
        default_path(asking, llm).name,
        default_path(asking, dense).name,
        default_path(replace(asking, retriever="oracle", split="valid"), None).name,
    }
    assert names == {
        "tiny-home-1M_rag_test_data.json",
        "tiny-home-1M_dense_rag_test_data.json",
        "oracle_rag_valid_data.json",
    }


@pytest.mark.parametrize("content", ["[]", "{}", "no JSON", '[{"input": "a", "output": "b"}]'])
def test_another_programs_file_is_never_taken_for_ours(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(RefusedError, match="another program's"):
        read_file(tmp_path / "r.json")


@pytest.mark.parametrize("rooms", [{"a": "kitchen"}, {"a": [1]}, [], {"a": None}])
def test_our_file_with_other_than_names_of_rooms_is_damaged(tmp_path, stamp, rooms):
    document = {"schema": retrieval_file.SCHEMA, "stamp": stamp, "rooms": rooms}
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(ResultError):
        read_file(tmp_path / "r.json")


def test_our_file_of_another_version_is_damaged_and_not_strange(tmp_path, stamp):
    document = {"schema": retrieval_file.SCHEMA[:-1] + "9", "stamp": stamp, "rooms": {}}
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(ResultError, match="this version reads"):
        read_file(tmp_path / "r.json")


def test_rooms_are_those_of_the_asked_records_and_of_their_homes(asked):
    whole = {
        record.id: All().rooms(record, asked.homes[record.home_id], 1) for record in asked.records
    }
    first = asked.records[0].id
    assert rooms_for(asked, {**whole, "more": ("attic",)}) == whole
    assert rooms_for(asked, {id_: rooms for id_, rooms in whole.items() if id_ != first}) is None
    assert rooms_for(asked, {**whole, first: ("attic",)}) is None
    assert rooms_for(asked, {**whole, first: whole[first][::-1]}) is None


def test_a_folder_that_may_not_be_written_is_said_with_what_to_do(tmp_path, stamp):
    (tmp_path / "file").write_text("")
    with pytest.raises(RefusedError) as caught:
        write_file(tmp_path / "file" / "r.json", stamp, {})
    assert "--out" in caught.value.hint
