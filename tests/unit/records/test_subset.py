"""A subset's file: what is written is read, what was changed is not."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.errors import ResultError
from rdagent.records.subset import Subset, make_subset

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
TASKS = st.dictionaries(st.text(min_size=1), st.lists(HASHES, min_size=1), min_size=1)


@given(tasks=TASKS)
def test_what_is_written_is_read(tasks):
    subset = make_subset("mine", tasks)
    assert Subset.from_json(json.loads(json.dumps(subset.to_json()))) == subset


@given(tasks=TASKS)
def test_neither_order_nor_repetition_nor_the_name_changes_the_digest(tasks):
    turned = {task: [*reversed(tasks[task]), tasks[task][0]] for task in reversed(tasks)}
    assert make_subset("mine", tasks).digest == make_subset("other", turned).digest


def test_another_document_is_another_subset():
    digests = {
        make_subset("s", tasks).digest
        for tasks in ({"t": [A]}, {"t": [B]}, {"t": [A, B]}, {"u": [A]}, {"t": [A], "u": [A]})
    }
    assert len(digests) == 5


def test_the_file_goes_the_way_there_and_back(tmp_path):
    subset = make_subset("wrong ones", {"t": [B, A]})
    subset.write(tmp_path / "s.json")
    assert Subset.read(tmp_path / "s.json") == subset
    assert json.loads((tmp_path / "s.json").read_text())["tasks"] == {"t": [A, B]}
    assert subset.said == f"subset wrong ones ({subset.digest[:8]}): 2 documents of 1 task"


def test_its_file_in_a_job_is_named_by_what_is_in_it():
    names = {make_subset("s", {"t": hashes}).file_name for hashes in ([A], [B], [A, A])}
    assert len(names) == 2


def test_a_file_that_was_changed_is_refused_with_the_digest_that_it_would_have(tmp_path):
    document = make_subset("s", {"t": [A]}).to_json()
    document["tasks"]["t"].append(B)
    with pytest.raises(ResultError, match="its documents are others") as caught:
        Subset.from_json(document)
    assert make_subset("s", {"t": [A, B]}).digest in caught.value.hint


def test_a_file_without_a_digest_is_refused():
    document = make_subset("s", {"t": [A]}).to_json()
    del document["digest"]
    with pytest.raises(ResultError, match="its digest is missing"):
        Subset.from_json(document)


@pytest.mark.parametrize("hashes", [[], "a", [A[:-1]], [A.upper()], [1], [None], {A: 1}, None])
def test_what_names_no_documents_is_refused(hashes):
    with pytest.raises(ResultError, match=r"subset\.json: t "):
        make_subset("s", {"t": hashes})


@pytest.mark.parametrize("name", ["", " ", "a\x1b[31m", "a\nb", "x" * 201])
def test_a_name_that_cannot_be_shown_is_refused(name):
    with pytest.raises(ResultError, match="its name is"):
        make_subset(name, {"t": [A]})


def test_a_subset_of_nothing_is_refused():
    with pytest.raises(ResultError, match="names 0 tasks"):
        make_subset("s", {})


def test_another_schema_is_refused():
    with pytest.raises(ResultError, match=r"rdagent\.subset/1"):
        Subset.from_json({**make_subset("s", {"t": [A]}).to_json(), "schema": "x"})


def test_a_link_is_not_followed(tmp_path):
    make_subset("s", {"t": [A]}).write(tmp_path / "s.json")
    os.symlink(tmp_path / "s.json", tmp_path / "link.json")
    with pytest.raises(ResultError, match="cannot be opened"):
        Subset.read(tmp_path / "link.json")
