"""Reading what a job saw of its data, as a stranger's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rdagent.errors import ResultError
from rdagent.inside.train.samples import Preflight, Sample, count
from rdagent.training.learned import read_learned


def written(folder: Path, **changes: Any) -> Path:
    found = Preflight(stage="sft", counts=count([Sample([-100, 5], 2, 1)], 40))
    found.learned.append("{on}")
    (folder / "preflight.json").write_text(json.dumps({**found.to_json(), **changes}))
    return folder


def test_what_the_image_writes_is_what_the_host_reads(tmp_path: Path) -> None:
    learned = read_learned(written(tmp_path))
    assert learned is not None
    assert learned.counts is not None
    assert (learned.counts.sampled, learned.counts.rows, learned.counts.longest) == (1, 40, 2)
    assert learned.lines()[:2] == (
        "looked at 1 of 40 samples: 50 % of the tokens are learned from, 0 samples cut, 0 dropped",
        "learns: {on}",
    )


def test_a_job_that_ended_before_it_has_none(tmp_path: Path) -> None:
    assert read_learned(tmp_path) is None


def test_escape_sequences_in_a_decoded_label_do_not_reach_the_reader(tmp_path: Path) -> None:
    learned = read_learned(written(tmp_path, learned=["\x1b[31mred\x1b]0;title\x07", "a\nb"]))
    assert learned is not None
    assert learned.learned == ("red", "a b")


def test_more_texts_than_are_shown_are_left_out(tmp_path: Path) -> None:
    learned = read_learned(written(tmp_path, notes=["x" * 900] * 500))
    assert learned is not None
    assert len(learned.notes) == 10
    assert {len(note) for note in learned.notes} == {400}


@pytest.mark.parametrize(
    "changes",
    [{"schema": "other/1"}, {"counts": [1]}, {"counts": {"sampled": "1"}}, {"learned": [1]}],
)
def test_a_malformed_file_is_a_result_error(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ResultError):
        read_learned(written(tmp_path, **changes))


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    written(tmp_path / "real")
    (tmp_path / "preflight.json").symlink_to(tmp_path / "real" / "preflight.json")
    with pytest.raises(ResultError):
        read_learned(tmp_path)
