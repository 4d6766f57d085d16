"""Reading a user's train.yaml."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.errors import UsageError
from rdagent.training.config import read_config

BARE = "do_train: true\ndataset: homes\n"


def write(folder: Path, text: str, name: str = "train.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_folder_of_the_file_is_the_workspace(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, BARE)).workspace == tmp_path


def test_what_the_file_leaves_out_has_llama_factorys_defaults(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, BARE))
    assert (config.stage, config.finetuning_type, config.template) == ("sft", "lora", None)


def test_dataset_names_may_stand_with_commas(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, "do_train: true\ndataset: a, b\n"))
    assert config.datasets == ("a", "b")


def test_dataset_names_may_be_a_list(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, "do_train: true\ndataset: [a, b]\n"))
    assert config.datasets == ("a", "b")


def test_a_json_file_is_read_like_a_yaml_file(tmp_path: Path) -> None:
    document = {"do_train": True, "dataset": "homes", "learning_rate": 1e-4}
    path = write(tmp_path, json.dumps(document), "train.json")
    assert read_config(path).values["learning_rate"] == 1e-4


@pytest.mark.parametrize("text", ["5e-3", "5E-3", "5.0e-3", "0.005", ".005", "5_0e-4"])
def test_a_number_is_a_number_as_it_is_for_llama_factory(tmp_path: Path, text: str) -> None:
    config = read_config(write(tmp_path, f"{BARE}learning_rate: {text}\n"))
    assert config.values["learning_rate"] == 0.005


def test_a_date_stays_text(tmp_path: Path) -> None:
    config = read_config(write(tmp_path, f"{BARE}run_name: 2024-01-31\n"))
    assert config.values["run_name"] == "2024-01-31"


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"train\.yaml is missing\n.*llamafactory-cli"):
        read_config(tmp_path / "train.yaml")


def test_a_misspelt_key_is_refused_with_the_near_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean lora_rank"):
        read_config(write(tmp_path, f"{BARE}lora_rnak: 8\n"))


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stands twice"):
        read_config(write(tmp_path, f"{BARE}seed: 1\nseed: 2\n"))


def test_a_file_that_trains_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="do_train: true"):
        read_config(write(tmp_path, "dataset: homes\n"))


def test_a_file_without_a_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no data set"):
        read_config(write(tmp_path, "do_train: true\n"))


def test_python_objects_in_yaml_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be parsed"):
        read_config(write(tmp_path, "seed: !!python/object/apply:os.getpid []\n"))


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is small"):
        read_config(write(tmp_path, "#" * (2 << 20)))


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text", "", "a: [", "1: 2\n"])
def test_what_is_no_mapping_of_names_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        read_config(write(tmp_path, text))


@given(content=st.binary(max_size=300))
def test_any_bytes_give_a_configuration_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "train.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        read_config(path)
