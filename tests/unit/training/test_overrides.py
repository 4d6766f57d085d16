"""The closed list of overrides."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rdagent.errors import RefusedError
from rdagent.inside.train.device import BFLOAT16, CUDA_ONLY
from rdagent.inside.train.environment import POLICY
from rdagent.training.config import TrainingConfig, read_config
from rdagent.training.datasets import find_datasets
from rdagent.training.overrides import OVERRIDES, host_overrides

DOCUMENT = Path(__file__).parents[3] / "docs" / "training-overrides.md"
ROWS = json.dumps([{"instruction": "on", "input": "", "output": "{on}"}])


def config_of(folder: Path, settings: str = "") -> TrainingConfig:
    (folder / "dataset_info.json").write_text('{"homes": {"file_name": "homes.json"}}')
    (folder / "homes.json").write_text(ROWS)
    path = folder / "train.yaml"
    path.write_text(f"do_train: true\ndataset: homes\n{settings}", encoding="utf-8")
    return read_config(path)


def overrides_of(folder: Path, settings: str = "", **given: Any) -> dict[str, Any]:
    config = config_of(folder, settings)
    return host_overrides(config, find_datasets(config), **given)


def test_no_key_outside_the_list_is_ever_set(tmp_path: Path) -> None:
    everything = "\n".join(
        (
            "push_to_hub: true",
            "use_swanlab: true",
            "trust_remote_code: true",
            "resume_from_checkpoint: output/checkpoint-5",
            "cache_dir: cache",
            "tokenized_path: tokens",
            f"media_dir: {tmp_path}/media",
            f"deepspeed: {tmp_path}/ds.json",
            f"adapter_name_or_path: {tmp_path}/first",
        )
    )
    by_host = {override.key for override in OVERRIDES if override.by == "host"}
    assert set(overrides_of(tmp_path, everything)) == by_host


def test_the_list_names_what_the_image_overrides_for_the_device() -> None:
    by_device = {override.key for override in OVERRIDES if override.by == "device"}
    assert by_device == {*BFLOAT16, *CUDA_ONLY}


def test_the_documentation_shows_the_list() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", DOCUMENT.read_text(), re.M)
    assert rows == [(o.key, o.becomes, o.when, o.why) for o in OVERRIDES]


def test_a_plain_container_run_has_the_same_policy(tmp_path: Path) -> None:
    overrides = overrides_of(tmp_path, "resume_from_checkpoint: x")
    assert {key: overrides[key] for key in POLICY} == dict(POLICY)


def test_the_model_is_named_as_the_job_sees_it(tmp_path: Path) -> None:
    overrides = overrides_of(tmp_path, base_model="{mount:base_model}/snapshots/1")
    assert overrides["model_name_or_path"] == "{mount:base_model}/snapshots/1"


def test_the_output_goes_into_the_attempt(tmp_path: Path) -> None:
    assert overrides_of(tmp_path)["output_dir"] == "{mount:out}/adapter"


def test_a_data_folder_that_the_job_finds_itself_is_left_alone(tmp_path: Path) -> None:
    assert "dataset_dir" not in overrides_of(tmp_path, "dataset_dir: .")


def test_an_absolute_data_folder_is_named_as_the_job_sees_it(tmp_path: Path) -> None:
    overrides = overrides_of(tmp_path, f"dataset_dir: {tmp_path}")
    assert overrides["dataset_dir"] == "{mount:workspace}"


def test_a_data_folder_that_is_not_named_is_named(tmp_path: Path) -> None:
    assert overrides_of(tmp_path)["dataset_dir"] == "{mount:workspace}"


def test_logging_steps_of_the_user_stay(tmp_path: Path) -> None:
    assert "logging_steps" not in overrides_of(tmp_path, "logging_steps: 500")


def test_remote_code_is_off_unless_it_is_allowed_beside_the_file(tmp_path: Path) -> None:
    assert overrides_of(tmp_path, "trust_remote_code: true")["trust_remote_code"] is False


def test_remote_code_that_is_allowed_is_left_alone(tmp_path: Path) -> None:
    overrides = overrides_of(tmp_path, "trust_remote_code: true", trust_remote_code=True)
    assert "trust_remote_code" not in overrides


def test_what_is_off_already_is_not_overridden(tmp_path: Path) -> None:
    assert "push_to_hub" not in overrides_of(tmp_path, "push_to_hub: false")


def test_tokens_that_are_there_are_used(tmp_path: Path) -> None:
    (tmp_path / "tokens").mkdir()
    assert "tokenized_path" not in overrides_of(tmp_path, "tokenized_path: tokens")


def test_tokens_that_are_to_be_written_go_to_the_scratch_folder(tmp_path: Path) -> None:
    overrides = overrides_of(tmp_path, "tokenized_path: tokens")
    assert overrides["tokenized_path"] == "{mount:scratch}/tokenized"


def test_several_absolute_adapters_are_each_named_as_the_job_sees_them(tmp_path: Path) -> None:
    overrides = overrides_of(tmp_path, f"adapter_name_or_path: {tmp_path}/a,{tmp_path}/b")
    wanted = "{mount:workspace}/a,{mount:workspace}/b"
    assert overrides["adapter_name_or_path"] == wanted


def test_an_absolute_path_that_no_job_sees_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="which a job cannot see"):
        overrides_of(tmp_path, "deepspeed: /etc/ds.json")


def test_a_path_among_shared_data_is_refused_for_a_job_without_that_mount(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    folder = tmp_path / "w"
    folder.mkdir()
    with pytest.raises(RefusedError, match="which a job cannot see"):
        overrides_of(folder, f"media_dir: {shared}/pictures", shared=shared)
