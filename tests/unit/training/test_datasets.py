"""Finding the data that a configuration names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rdagent.errors import RefusedError
from rdagent.training.config import TrainingConfig, read_config
from rdagent.training.datasets import find_datasets

HOMES = {"homes": {"file_name": "homes.json"}}
ROWS = json.dumps([{"instruction": "on", "input": "", "output": "{on}"}])


def workspace(folder: Path, settings: str = "", dataset: str = "homes") -> TrainingConfig:
    folder.mkdir(exist_ok=True)
    path = folder / "train.yaml"
    path.write_text(f"do_train: true\ndataset: {dataset}\n{settings}", encoding="utf-8")
    return read_config(path)


def describe(folder: Path, info: Any, *, data: str | None = ROWS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    if data is not None:
        (folder / "homes.json").write_text(data, encoding="utf-8")


def test_data_beside_the_configuration_is_found(tmp_path: Path) -> None:
    describe(tmp_path, HOMES)
    found = find_datasets(workspace(tmp_path))
    assert (found.inside, found.files) == ("{mount:workspace}", (tmp_path / "homes.json",))


def test_llama_factorys_default_folder_comes_first(tmp_path: Path) -> None:
    describe(tmp_path, HOMES)
    describe(tmp_path / "data", HOMES)
    assert find_datasets(workspace(tmp_path)).inside == "{mount:workspace}/data"


def test_data_among_the_shared_data_sets_is_found(tmp_path: Path) -> None:
    describe(tmp_path / "shared", HOMES)
    config = workspace(tmp_path / "w")
    assert find_datasets(config, tmp_path / "shared").inside == "{mount:datasets}"


def test_the_workspace_goes_before_the_shared_data_sets(tmp_path: Path) -> None:
    describe(tmp_path / "shared", HOMES)
    describe(tmp_path / "w", HOMES)
    config = workspace(tmp_path / "w", "dataset_dir: .\n")
    assert find_datasets(config, tmp_path / "shared").place.mount == "workspace"


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    describe(tmp_path, HOMES, data=None)
    with pytest.raises(RefusedError) as refusal:
        find_datasets(workspace(tmp_path))
    assert str(tmp_path / "homes.json") in refusal.value.message


def test_a_missing_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    describe(tmp_path, HOMES, data=None)
    with pytest.raises(RefusedError) as refusal:
        find_datasets(workspace(tmp_path))
    assert "Put it there, or correct file_name" in refusal.value.hint


def test_a_missing_description_is_refused_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"looked at .*/data/dataset_info\.json"):
        find_datasets(workspace(tmp_path))


def test_an_unknown_name_is_refused_with_the_near_one(tmp_path: Path) -> None:
    describe(tmp_path, HOMES)
    with pytest.raises(RefusedError, match="Did you mean: homes"):
        find_datasets(workspace(tmp_path, dataset="home"))


def test_the_data_for_evaluation_is_looked_for_too(tmp_path: Path) -> None:
    describe(tmp_path, HOMES)
    with pytest.raises(RefusedError, match="the data set held_out"):
        find_datasets(workspace(tmp_path, "eval_dataset: held_out\n"))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    describe(tmp_path, HOMES, data="")
    with pytest.raises(RefusedError, match="is empty"):
        find_datasets(workspace(tmp_path))


def test_a_file_of_no_known_type_is_refused(tmp_path: Path) -> None:
    describe(tmp_path, {"homes": {"file_name": "train.yaml"}})
    with pytest.raises(RefusedError, match="of no type that is read"):
        find_datasets(workspace(tmp_path))


@pytest.mark.parametrize("key", ["hf_hub_url", "cloud_file_name", "script_url"])
def test_data_from_elsewhere_is_refused(tmp_path: Path, key: str) -> None:
    describe(tmp_path, {"homes": {key: "somewhere", "file_name": "homes.json"}})
    with pytest.raises(RefusedError, match="no network"):
        find_datasets(workspace(tmp_path))


@pytest.mark.parametrize("folder", ["ONLINE", "REMOTE:team/data"])
def test_an_online_data_folder_is_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(RefusedError, match="no network"):
        find_datasets(workspace(tmp_path, f"dataset_dir: {folder}\n"))


def test_columns_without_the_answer_are_refused(tmp_path: Path) -> None:
    describe(tmp_path, {"homes": {"file_name": "homes.json", "columns": {"prompt": "q"}}})
    with pytest.raises(RefusedError, match="nothing would be learned"):
        find_datasets(workspace(tmp_path))


def test_a_file_outside_is_refused(tmp_path: Path) -> None:
    describe(tmp_path / "w", {"homes": {"file_name": "../homes.json"}})
    (tmp_path / "homes.json").write_text(ROWS)
    with pytest.raises(RefusedError, match="lies outside"):
        find_datasets(workspace(tmp_path / "w"))


def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    describe(tmp_path / "w", HOMES, data=None)
    (tmp_path / "real.json").write_text(ROWS)
    (tmp_path / "w" / "homes.json").symlink_to("../real.json")
    with pytest.raises(RefusedError, match="is a link out of"):
        find_datasets(workspace(tmp_path / "w"))


def test_a_link_with_an_absolute_path_is_refused(tmp_path: Path) -> None:
    describe(tmp_path, HOMES, data=None)
    (tmp_path / "real.json").write_text(ROWS)
    (tmp_path / "homes.json").symlink_to(tmp_path / "real.json")
    with pytest.raises(RefusedError, match="Make the link relative"):
        find_datasets(workspace(tmp_path))


def test_a_relative_link_within_the_workspace_is_followed(tmp_path: Path) -> None:
    describe(tmp_path, HOMES, data=None)
    (tmp_path / "real.json").write_text(ROWS)
    (tmp_path / "homes.json").symlink_to("real.json")
    assert find_datasets(workspace(tmp_path)).files == (tmp_path / "homes.json",)


def test_a_description_behind_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    describe(tmp_path / "elsewhere", HOMES)
    config = workspace(tmp_path / "w", "dataset_dir: .\n")
    (tmp_path / "w" / "dataset_info.json").symlink_to("../elsewhere/dataset_info.json")
    with pytest.raises(RefusedError, match="is a link out of"):
        find_datasets(config)


@pytest.mark.parametrize("text", ["[]", "{", "\udcff", "[" * 100_000])
def test_a_malformed_description_is_refused(tmp_path: Path, text: str) -> None:
    config = workspace(tmp_path)
    (tmp_path / "dataset_info.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RefusedError):
        find_datasets(config)
