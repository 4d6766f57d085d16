"""What is missing is made, what fits is used again, and what does not fit never is."""

import json
from dataclasses import replace

import pytest

from rdagent.errors import RefusedError, UsageError
from rdagent.suites.homebench.asking import select
from rdagent.suites.homebench.retrieval import building
from rdagent.suites.homebench.retrieval.building import Means, retrieve
from rdagent.suites.homebench.retrieval.embedders import local_dense, served_dense
from rdagent.suites.homebench.retrieval.rag_report import make_rag_report
from tests.chat_server import refusal
from tests.embedding_server import embedding
from tests.unit.suites.homebench.retrieval.fake_vectors import EmbeddingBackend, vector

NO_MONEY = refusal(402, "nothing left", "insufficient_quota")


@pytest.fixture
def backend():
    return EmbeddingBackend()


@pytest.fixture
def build(asked, asking, tmp_path, backend):
    def build(embedder, asked=asked, path=tmp_path / "r.json", asking=asking, **options):
        return retrieve(asked, asking, embedder, path, Means(lambda: backend, 60), **options)

    return build


def no_backend():
    raise AssertionError("no job is needed")


def test_the_second_time_no_job_runs_and_the_rooms_are_the_same(build, dense, backend):
    first, second = build(dense), build(dense)
    assert (first.reused, second.reused) == (False, True)
    assert first.rooms == second.rooms
    assert first.choices == second.choices
    assert len(backend.texts) == 1


def test_another_top_k_chooses_anew_and_embeds_nothing(build, dense, backend, asking):
    build(dense)
    again = build(dense, asking=replace(asking, top_k=1))
    assert not again.reused
    assert "another top_k: built again" in again.notes[0]
    assert len(backend.texts) == 1


def test_another_model_is_embedded_and_said(build, dense, backend):
    build(dense)
    again = build(local_dense("tiny", "query: "))
    assert "another model" in again.notes[0]
    assert len(backend.texts) == 2


def test_changed_data_are_never_answered_with_the_rooms_of_the_old(build, dense, data, asking):
    build(dense)
    lines = (data / "test_data.jsonl").read_text("utf-8").splitlines(keepends=True)
    (data / "test_data.jsonl").write_text("".join(reversed(lines)), "utf-8")
    again = build(dense, asked=select(asking))
    assert not again.reused
    assert "another data" in again.notes[0]


def test_rooms_of_other_records_stay_in_the_file_and_only_what_is_new_is_embedded(
    build, dense, backend, asked
):
    few = replace(asked, records=asked.records[:3])
    others = replace(asked, records=asked.records[3:])
    build(dense, asked=few)
    assert not build(dense, asked=others).reused
    assert build(dense, asked=few).reused
    assert build(dense).reused
    assert len(backend.texts) == 2
    assert not set(backend.texts[0]) & set(backend.texts[1])


def test_fresh_uses_neither_the_file_nor_the_vectors(build, dense, backend):
    build(dense)
    again = build(dense, fresh=True)
    assert not again.reused
    assert backend.texts[0] == backend.texts[1]


def test_another_programs_file_is_left_alone_and_nothing_runs(build, dense, backend, tmp_path):
    (tmp_path / "r.json").write_text('[{"input": "a"}]')
    for fresh in (False, True):
        with pytest.raises(RefusedError, match="another program's"):
            build(dense, fresh=fresh)
    assert (tmp_path / "r.json").read_text() == '[{"input": "a"}]'
    assert backend.texts == []


def test_a_damaged_file_of_ours_is_built_again(build, dense, tmp_path):
    build(dense)
    document = json.loads((tmp_path / "r.json").read_text())
    (tmp_path / "r.json").write_text(json.dumps({**document, "rooms": 7}))
    again = build(dense)
    assert not again.reused
    assert "cannot be used" in again.notes[0]


def test_rooms_that_the_home_does_not_have_are_chosen_again(build, dense, tmp_path, asked):
    build(dense)
    document = json.loads((tmp_path / "r.json").read_text())
    document["rooms"][asked.records[0].id] = ["attic"]
    (tmp_path / "r.json").write_text(json.dumps(document))
    again = build(dense)
    assert not again.reused
    assert "attic" not in again.rooms[asked.records[0].id]


def test_where_nothing_can_be_written_a_run_goes_on_and_says_so(build, dense, tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "r.json"
    with pytest.raises(RefusedError):
        build(dense, path=path)
    found = build(dense, path=path, must_write=False)
    assert found.path is None
    assert any(str(path.parent) in note for note in found.notes)


def test_retrievers_without_a_model_need_no_job(asked, asking, tmp_path):
    for name in ("lexical", "oracle", "random", "all"):
        found = retrieve(
            asked,
            replace(asking, retriever=name),
            None,
            tmp_path / f"{name}.json",
            Means(no_backend),
        )
        assert len(found.choices) == len(asked.records)


def test_texts_that_were_cut_are_counted_also_when_their_vectors_were_kept(
    build, dense, backend, asking
):
    build(dense)
    backend.cut = backend.texts[0][:1]
    first = build(dense, fresh=True)
    again = build(dense, asking=replace(asking, top_k=1))
    for found in (first, again):
        assert any("1 of" in note and "cut" in note for note in found.notes)


def test_at_least_one_room_for_a_clause_is_asked_for(build, dense, asking):
    with pytest.raises(UsageError, match="--top-k 0"):
        build(dense, asking=replace(asking, top_k=0))


def test_that_the_job_was_not_shut_in_is_said(build, dense):
    assert any("does not isolate" in note for note in build(dense).notes)


def test_a_servers_vectors_serve_once_unless_somebody_says_which_model_it_has(
    build, backend, tmp_path
):
    with embedding(vector=lambda text: vector(text).tolist()) as server:
        unknown = served_dense(server.url, "m")
        first, second = build(unknown), build(unknown)
        asked = len(server.texts())
        assert not second.reused
        assert server.texts()[: asked // 2] == server.texts()[asked // 2 :]
        assert any("--endpoint-revision" in note for note in first.notes)
        assert not (tmp_path / "ft" / "suites").exists()
        known = served_dense(server.url, "m", revision="june")
        assert build(known).rooms == first.rooms
        assert build(known).reused
        assert len(server.texts()) == asked * 3 // 2
    assert backend.texts == []


def test_what_a_server_had_answered_before_it_broke_is_not_asked_again(build, monkeypatch):
    monkeypatch.setattr(building, "_SERVED_AT_ONCE", 5)
    with embedding(vector=lambda text: vector(text).tolist()) as server:
        known = served_dense(server.url, "m", revision="june")
        server.rule = lambda body: None if len(server.asked) < 4 else NO_MONEY
        with pytest.raises(RefusedError):
            build(known)
        first = server.texts()[:15]
        server.rule = lambda body: None
        server.asked.clear()
        build(known)
        assert not set(first) & set(server.texts())


def test_a_retriever_under_matching_names_is_flagged(asked, asking, tmp_path):
    found = {}
    for name in ("random", "oracle", "lexical"):
        mine = replace(asking, retriever=name)
        retrieval = retrieve(asked, mine, None, tmp_path / f"{name}.json", Means(no_backend))
        found[name] = make_rag_report(asked, mine, None, retrieval)
    assert len(found["random"].alarms) == 1
    assert "lexical" in found["random"].alarms[0]
    assert found["oracle"].alarms == found["lexical"].alarms == ()
    assert found["random"].rows()[-1][0] == "ALL by lexical"
    json.dumps(found["random"].to_json(), allow_nan=False)
