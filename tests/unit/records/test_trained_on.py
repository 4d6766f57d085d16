"""The record of the rows that an adapter was trained on, which may come from a stranger."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.errors import ResultError
from rdagent.records import trained_on
from rdagent.records.trained_on import HASHES_FILE, HASHES_LIMIT, RECORD_FILE, Sampled, TrainedOn

hashes = st.lists(st.integers(0, 2**64 - 1), unique=True).map(sorted)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    TrainedOn(3, True, Sampled([5, 7, 2**64 - 1]), Sampled([8, 24], bits=3)).write(tmp_path)
    return tmp_path


def change(adapter: Path, **fields: Any) -> None:
    path = adapter / RECORD_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@given(hashes, hashes, st.integers(0, 63), st.booleans())
def test_what_was_written_is_read(
    texts: list[int], grams: list[int], bits: int, complete: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        TrainedOn(9, complete, Sampled(texts), Sampled(grams, bits)).write(Path(folder))
        read = trained_on.read(Path(folder))
    assert read is not None
    assert (read.rows, read.complete, read.grams.bits) == (9, complete, bits)
    assert (list(read.texts.hashes), list(read.grams.hashes)) == (texts, grams)


@given(hashes, st.integers(0, 2**64 - 1))
def test_hashes_are_found_if_and_only_if_they_are_there(numbers: list[int], other: int) -> None:
    sampled = Sampled(numbers)
    assert all(number in sampled for number in numbers)
    assert (other in sampled) == (other in numbers)


def test_the_hashes_are_little_endian_numbers_of_64_bits(adapter: Path) -> None:
    assert (adapter / HASHES_FILE).read_bytes()[:8] == b"\5\0\0\0\0\0\0\0"


def test_only_hashes_that_the_power_of_two_divides_are_sampled() -> None:
    sampled = Sampled([], bits=3)
    assert [number for number in range(17) if sampled.samples(number)] == [0, 8, 16]


def test_an_adapter_without_a_record_says_nothing(tmp_path: Path) -> None:
    assert trained_on.read(tmp_path) is None


def test_a_record_of_another_schema_is_refused(adapter: Path) -> None:
    change(adapter, schema="rdagent.trained-on/9")
    with pytest.raises(ResultError, match="schema"):
        trained_on.read(adapter)


@pytest.mark.parametrize("key", ["normalisation", "hashing"])
def test_hashes_that_were_made_otherwise_are_not_compared(adapter: Path, key: str) -> None:
    change(adapter, **{key: "other/1"})
    with pytest.raises(ResultError, match="hashed in another way"):
        trained_on.read(adapter)


def test_hashes_that_end_too_early_are_refused(adapter: Path) -> None:
    path = adapter / HASHES_FILE
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ResultError, match="has 37 bytes"):
        trained_on.read(adapter)


def test_hashes_of_another_training_are_refused(adapter: Path) -> None:
    (adapter / HASHES_FILE).write_bytes(bytes(40))
    with pytest.raises(ResultError, match="not the file that its record names"):
        trained_on.read(adapter)


def test_hashes_that_are_not_sorted_are_refused(tmp_path: Path) -> None:
    TrainedOn(1, True, Sampled([3, 2]), Sampled([])).write(tmp_path)
    with pytest.raises(ResultError, match="not sorted"):
        trained_on.read(tmp_path)


@pytest.mark.parametrize("kept", [-1, HASHES_LIMIT + 1, 5 << 30, 10**400])
def test_counts_that_cannot_be_are_refused_before_anything_is_read(
    adapter: Path, kept: int
) -> None:
    change(adapter, grams={"kept": kept, "bits": 0})
    with pytest.raises(ResultError, match="hashes of 0 bits"):
        trained_on.read(adapter)


@pytest.mark.parametrize("bits", [-1, 64, 10**9])
def test_a_sample_that_cannot_be_is_refused(adapter: Path, bits: int) -> None:
    change(adapter, grams={"kept": 2, "bits": bits})
    with pytest.raises(ResultError, match="grams says"):
        trained_on.read(adapter)


def test_a_file_of_five_gigabytes_is_not_read(adapter: Path) -> None:
    os.truncate(adapter / HASHES_FILE, 5 << 30)
    with pytest.raises(ResultError, match="at most"):
        trained_on.read(adapter)


@pytest.mark.parametrize("name", [RECORD_FILE, HASHES_FILE])
def test_no_link_is_followed(adapter: Path, name: str) -> None:
    (adapter / name).rename(adapter / "elsewhere")
    (adapter / name).symlink_to(adapter / "elsewhere")
    with pytest.raises(ResultError, match="cannot be opened"):
        trained_on.read(adapter)


def test_a_link_to_nothing_is_damage_and_not_absence(tmp_path: Path) -> None:
    (tmp_path / RECORD_FILE).symlink_to(tmp_path / "nowhere")
    with pytest.raises(ResultError, match="cannot be opened"):
        trained_on.read(tmp_path)


def test_a_record_without_its_hashes_is_refused(adapter: Path) -> None:
    (adapter / HASHES_FILE).unlink()
    with pytest.raises(ResultError, match="is missing"):
        trained_on.read(adapter)


@given(st.binary(max_size=200))
def test_whatever_stands_in_the_record_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / RECORD_FILE).write_bytes(content)
        with pytest.raises(ResultError):
            trained_on.read(Path(folder))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(
        ["rows", "complete", "normalisation", "hashing", "gram", "texts", "grams", "sha256"]
    ),
    _json,
)
def test_whatever_a_field_holds_is_read_or_refused(key: str, value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        TrainedOn(3, True, Sampled([5]), Sampled([8])).write(Path(folder))
        change(Path(folder), **{key: value})
        try:
            found = trained_on.read(Path(folder))
        except ResultError:
            return
        assert isinstance(found, TrainedOn)
