"""Vectors that are kept: found again by their texts, and never believed when damaged."""

import json

import numpy as np
import pytest

from rdagent.errors import ResultError
from rdagent.suites.homebench.retrieval.vectors import (
    VectorStore,
    joined,
    no_vectors,
    read_matrix,
    store_of,
)
from tests.unit.suites.homebench.retrieval.fake_vectors import LENGTH, vector, vectors_of


@pytest.fixture
def store(tmp_path):
    return VectorStore(tmp_path / "kept")


def test_what_was_added_is_found_again_and_the_rest_is_lacking(store):
    store.add(vectors_of(["a", "b"], cut=["b"]))
    store.add(vectors_of(["c"]))
    found = store.read(["c", "a", "d"])
    assert sorted(found.places) == ["a", "c"]
    assert found.lacking(["c", "d", "a", "d"]) == ["d"]
    assert (found.of(["c", "a"]) == np.stack([vector("c"), vector("a")])).all()
    assert store.read(["a", "b"]).cut == {"b"}
    assert found.cut == frozenset()


def test_an_empty_store_has_nothing(store):
    assert store.read(["a"]) == no_vectors()


def spoil_length(path):
    path.with_suffix(".f32").write_bytes(b"1234")


def spoil_numbers(path):
    path.with_suffix(".f32").write_bytes(np.full((1, LENGTH), np.nan, "<f4").tobytes())


def spoil_document(path):
    path.write_text('{"schema"')


def spoil_dimension(path):
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "dimension": LENGTH // 2}))


def lose_vectors(path):
    path.with_suffix(".f32").unlink()


@pytest.mark.parametrize(
    "spoil", [spoil_length, spoil_numbers, spoil_document, spoil_dimension, lose_vectors]
)
def test_a_damaged_part_is_not_there_and_the_others_are(store, spoil):
    store.add(vectors_of(["a"]))
    (damaged,) = store.folder.glob("*.json")
    store.add(vectors_of(["b"]))
    spoil(damaged)
    assert list(store.read(["a", "b"]).places) == ["b"]


def test_a_part_of_another_length_is_not_mixed_in(store):
    store.add(vectors_of(["a"]))
    other = vectors_of(["b"])
    with pytest.raises(ResultError, match="length"):
        joined(vectors_of(["a"]), type(other)(other.places, np.ones((1, 1), "<f4")))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 2.0])
def test_only_unit_vectors_are_vectors(value):
    matrix = np.eye(2, 3, dtype="<f4")
    matrix[1, 1] = value
    with pytest.raises(ResultError):
        read_matrix(matrix.tobytes(), 2, 3)


@pytest.mark.parametrize(("count", "dimension"), [(3, 3), (2, 2), (1, 3)])
def test_bytes_that_are_not_as_many_as_said_are_refused(count, dimension):
    with pytest.raises(ResultError, match="bytes"):
        read_matrix(np.eye(2, 3, dtype="<f4").tobytes(), count, dimension)


def test_vectors_of_different_embedders_are_kept_apart(llm, dense):
    assert store_of(llm).folder != store_of(dense).folder
