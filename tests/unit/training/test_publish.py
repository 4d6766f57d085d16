"""Bringing an adapter into the workspace."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rdagent.errors import ResultError
from rdagent.records import trained_on
from rdagent.records.trained_on import Sampled, TrainedOn
from rdagent.training.publish import publish_adapter


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    folder = tmp_path / "out" / "adapter"
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text('{"r": 16, "base_model_name_or_path": "/in/job"}')
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def test_the_adapter_comes_into_output(trained: Path, workspace: Path) -> None:
    publish_adapter(trained, workspace)
    assert (workspace / "output" / "adapter_model.safetensors").read_bytes() == b"weights"


def test_pickles_stay_behind_and_are_listed(trained: Path, workspace: Path) -> None:
    (trained / "training_args.bin").write_bytes(b"pickle")
    published = publish_adapter(trained, workspace)
    assert published.skipped == ("training_args.bin",)
    assert not (workspace / "output" / "training_args.bin").exists()


def test_the_hashes_of_the_rows_come_along_and_are_no_pickle(
    trained: Path, workspace: Path
) -> None:
    TrainedOn(1, True, Sampled([1]), Sampled([2])).write(trained)
    published = publish_adapter(trained, workspace)
    assert published.skipped == ()
    assert trained_on.read(published.folder) is not None


def test_a_link_in_the_place_of_the_hashes_stays_behind(trained: Path, workspace: Path) -> None:
    (trained / trained_on.HASHES_FILE).symlink_to("/etc/hostname")
    assert publish_adapter(trained, workspace).skipped == (trained_on.HASHES_FILE,)


def test_checkpoints_stay_behind_and_are_listed(trained: Path, workspace: Path) -> None:
    (trained / "checkpoint-5").mkdir()
    assert publish_adapter(trained, workspace).skipped == ("checkpoint-5",)


def test_a_link_stays_behind(trained: Path, workspace: Path) -> None:
    (trained / "stolen.json").symlink_to("/etc/hostname")
    assert publish_adapter(trained, workspace).skipped == ("stolen.json",)


def test_a_file_with_two_names_is_refused(trained: Path, workspace: Path) -> None:
    os.link(trained / "adapter_config.json", trained / "other.json")
    with pytest.raises(ResultError, match="2 names"):
        publish_adapter(trained, workspace)


def test_a_link_in_the_place_of_the_folder_is_refused(
    trained: Path, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(trained)
    with pytest.raises(ResultError, match="is no folder"):
        publish_adapter(tmp_path / "link", workspace)


def test_the_former_adapter_is_kept(trained: Path, workspace: Path) -> None:
    (workspace / "output").mkdir()
    (workspace / "output" / "old.txt").write_text("old")
    published = publish_adapter(trained, workspace)
    assert published.previous == workspace / "output.previous"
    assert (workspace / "output.previous" / "old.txt").read_text() == "old"


def test_nothing_of_the_former_adapter_is_left_in_output(trained: Path, workspace: Path) -> None:
    (workspace / "output").mkdir()
    (workspace / "output" / "old.txt").write_text("old")
    publish_adapter(trained, workspace)
    assert not (workspace / "output" / "old.txt").exists()


def test_only_the_last_former_adapter_is_kept(trained: Path, workspace: Path) -> None:
    for text in (b"1", b"2", b"3"):
        (trained / "adapter_model.safetensors").write_bytes(text)
        publish_adapter(trained, workspace)
    assert (workspace / "output.previous" / "adapter_model.safetensors").read_bytes() == b"2"


def test_without_weights_the_workspace_stays_as_it_was(trained: Path, workspace: Path) -> None:
    (workspace / "output").mkdir()
    (trained / "adapter_model.safetensors").unlink()
    with pytest.raises(ResultError, match="left no weights"):
        publish_adapter(trained, workspace)
    assert [path.name for path in workspace.iterdir()] == ["output"]


def test_a_copy_that_fails_leaves_nothing_half_written(trained: Path, workspace: Path) -> None:
    os.link(trained / "adapter_config.json", trained / "other.json")
    with pytest.raises(ResultError):
        publish_adapter(trained, workspace)
    assert [path.name for path in workspace.iterdir()] == [".output.lock"]


def test_the_base_model_is_named_as_the_user_names_it(trained: Path, workspace: Path) -> None:
    publish_adapter(trained, workspace, base_model="tiny-home-1M")
    config = json.loads((workspace / "output" / "adapter_config.json").read_text())
    assert config == {"r": 16, "base_model_name_or_path": "tiny-home-1M"}
