"""Rows that would be cut are refused by their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rdagent.errors import RefusedError
from rdagent.inside.train import whole
from rdagent.inside.train.whole import refuse_cut_rows, too_long


@dataclass
class Data:
    cutoff_len: int


@dataclass
class StandIn:
    data: Data
    rows: list[int] = field(default_factory=list)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Stand in for LLaMA-Factory: a row is its number of tokens, 0 is one that is dropped."""

    def make(rows: list[int], names: str, cutoff: int = 10) -> Path:
        monkeypatch.setattr(whole, "load", lambda values: StandIn(Data(cutoff), rows))
        monkeypatch.setattr(whole, "load_datasets", lambda loaded: (loaded.rows, None))
        monkeypatch.setattr(
            whole, "encode_whole", lambda _, row: {"input_ids": [1] * row} if row else None
        )
        path = tmp_path / "rows.txt"
        path.write_text(names)
        return path

    return make


def test_rows_up_to_the_cut_are_whole(data: Any) -> None:
    refuse_cut_rows({}, data([10, 3, 0], "a\nb\nc\n"))


def test_a_row_that_would_be_cut_is_refused_by_its_name(data: Any) -> None:
    with pytest.raises(RefusedError, match=r"1 of 2 rows .*home7_one_0 \(11 tokens\)"):
        refuse_cut_rows({}, data([3, 11], "a\nhome7_one_0\n"))


def test_names_that_are_not_as_many_as_the_rows_are_refused(data: Any) -> None:
    with pytest.raises(RefusedError, match="1 names for 2 rows"):
        refuse_cut_rows({}, data([3, 3], "a\n"))


def test_a_length_that_leaves_all_rows_whole_is_proposed() -> None:
    found = too_long(["a", "b"], [100, 130], 64)
    assert found is not None
    assert "cutoff_len: 192" in found.hint


def test_many_names_are_counted_and_not_listed() -> None:
    found = too_long([f"row{n}" for n in range(9)], [99] * 9, 64)
    assert found is not None
    assert found.message.endswith("row4 (99 tokens) and 4 more")
