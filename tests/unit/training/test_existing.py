"""What happens to an output that is there already."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdagent.errors import RefusedError
from rdagent.training.existing import (
    find_checkpoint,
    newest_checkpoint,
    refuse_existing,
    require_checkpoint,
)

FILES = ("trainer_state.json", "optimizer.pt", "adapter_model.safetensors")


def checkpoint(folder: Path, steps: int, *, without: str = "") -> Path:
    path = folder / f"checkpoint-{steps}"
    path.mkdir(parents=True)
    for name in FILES:
        if name != without:
            (path / name).write_text("x")
    return path


def test_an_output_that_is_there_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    with pytest.raises(RefusedError, match="--existing fresh"):
        refuse_existing(tmp_path)


def test_a_dangling_link_in_its_place_counts_as_there(tmp_path: Path) -> None:
    (tmp_path / "output").symlink_to("nowhere")
    with pytest.raises(RefusedError):
        refuse_existing(tmp_path)


def test_no_output_is_not_refused(tmp_path: Path) -> None:
    refuse_existing(tmp_path)


def test_the_checkpoint_with_the_most_steps_is_taken(tmp_path: Path) -> None:
    for steps in (9, 100, 20):
        checkpoint(tmp_path, steps)
    assert newest_checkpoint([tmp_path]) == tmp_path / "checkpoint-100"


@pytest.mark.parametrize("missing", FILES)
def test_a_checkpoint_that_lacks_a_part_is_passed_over(tmp_path: Path, missing: str) -> None:
    checkpoint(tmp_path, 100, without=missing)
    older = checkpoint(tmp_path, 20)
    assert newest_checkpoint([tmp_path]) == older


def test_an_empty_file_in_a_checkpoint_is_no_part(tmp_path: Path) -> None:
    (checkpoint(tmp_path, 100) / "optimizer.pt").write_text("")
    assert newest_checkpoint([tmp_path]) is None


def test_a_link_is_no_checkpoint(tmp_path: Path) -> None:
    real = checkpoint(tmp_path / "elsewhere", 5)
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "checkpoint-9").symlink_to(real)
    assert newest_checkpoint([tmp_path / "output"]) is None


def test_the_checkpoint_that_the_file_names_goes_first(tmp_path: Path) -> None:
    checkpoint(tmp_path / "output", 100)
    named = checkpoint(tmp_path / "mine", 5)
    found = find_checkpoint(tmp_path, tmp_path / "runs", "0" * 64, "mine/checkpoint-5")
    assert found == named


def test_a_named_checkpoint_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="no whole checkpoint"):
        find_checkpoint(tmp_path, tmp_path / "runs", "0" * 64, "mine/checkpoint-5")


def test_the_output_is_looked_at_when_there_was_no_run(tmp_path: Path) -> None:
    found = checkpoint(tmp_path / "output", 100)
    assert find_checkpoint(tmp_path, tmp_path / "runs", "0" * 64) == found


def test_nothing_to_resume_from_is_refused_with_why(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="save_only_model"):
        require_checkpoint(None, tmp_path)
