"""The workspace that a model is tuned in, and where its adapter goes."""

import json
from dataclasses import replace

import pytest
import yaml

from rdagent.errors import UsageError
from rdagent.suites.homebench import running
from rdagent.suites.homebench.asking import Asking
from rdagent.suites.homebench.names import model_name
from rdagent.suites.homebench.sft import (
    CUTOFF,
    NAMES,
    Tuning,
    configuration,
    place_adapter,
    read_more,
    workspace_of,
    write_workspace,
)
from rdagent.suites.homebench.sft_rows import Rows, select_rows
from rdagent.training.config import read_config
from rdagent.training.datasets import find_datasets
from rdagent.training.keys import check_keys
from tests.unit.suites.homebench import made_up

NAME = model_name("tiny")


@pytest.fixture
def rows(tmp_path):
    return select_rows(Asking(data=made_up.write_folder(tmp_path / "d", train=made_up.RECORDS)))


@pytest.fixture
def workspace(tmp_path, rows):
    write_workspace(tmp_path / "w", rows, Tuning(), NAME, 2048)
    return tmp_path / "w"


def test_the_workspace_is_one_that_a_training_takes(workspace):
    data = find_datasets(read_config(workspace / "train.yaml"))
    assert [path.name for path in data.files] == ["homebench.jsonl"]
    assert data.notes == ()


def test_no_setting_is_one_that_llama_factory_does_not_know(tmp_path):
    assert check_keys(configuration(Tuning(), "m", 6144), tmp_path) == ()


def test_names_stand_in_the_order_of_the_rows(workspace, rows):
    assert (workspace / NAMES).read_text().splitlines() == [each["id"] for each in made_up.RECORDS]
    text = (workspace / "homebench.jsonl").read_text("utf-8")
    written = [json.loads(line) for line in text.splitlines()]
    assert [row["output"] for row in written] == [json.loads(r)["output"] for r in rows.lines()]


def test_the_defaults_are_those_of_the_fact_sheet():
    values = configuration(Tuning(), "m", 6144)
    assert (values["lora_rank"], values["lora_alpha"], values["lora_dropout"]) == (16, 32, 0.1)
    assert (values["lora_target"], values["learning_rate"], values["bf16"]) == ("all", 1e-4, True)


def test_nothing_lets_the_prompt_be_learned(workspace):
    assert not {"train_on_prompt", "packing", "mask_history"} & set(
        yaml.safe_load((workspace / "train.yaml").read_text())
    )


def test_a_short_model_has_a_short_cutoff():
    assert Tuning().cutoff_for(2048) == 2048
    assert Tuning().cutoff_for(32768) == Tuning().cutoff_for(None) == CUTOFF
    assert Tuning(cutoff=512).cutoff_for(2048) == 512


def test_settings_of_llama_factory_go_over_ours():
    values = configuration(Tuning(more={"lora_target": "q_proj", "seed": 3}), "m", 100)
    assert (values["lora_target"], values["seed"]) == ("q_proj", 3)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("seed=3", 3),
        ("learning_rate=5e-3", 5e-3),
        ("use_dora=true", True),
        ("lora_target=q_proj,v_proj", "q_proj,v_proj"),
        ("run_name=a=b", "a=b"),
    ],
)
def test_a_setting_is_read_as_the_file_would_be(word, expected):
    assert read_more([word]) == {word.partition("=")[0]: expected}


@pytest.mark.parametrize("word", ["seed", "=3"])
def test_a_setting_without_a_key_or_a_value_is_a_usage_error(word):
    with pytest.raises(UsageError, match="key=value"):
        read_more([word])


@pytest.mark.parametrize(
    "tuning",
    [
        Tuning(batch_size=0),
        Tuning(grad_accum=-1),
        Tuning(epochs=0),
        Tuning(learning_rate=0),
        Tuning(rank=0),
        Tuning(alpha=-1),
        Tuning(cutoff=0),
        Tuning(dropout=1.0),
    ],
)
def test_numbers_that_cannot_be_meant_are_usage_errors(tuning):
    with pytest.raises(UsageError):
        tuning.check()


def test_a_workspace_is_not_written_for_them(tmp_path, rows):
    with pytest.raises(UsageError, match="--rank"):
        write_workspace(tmp_path / "w", rows, Tuning(rank=0), NAME, None)
    assert not (tmp_path / "w").exists()


def test_no_records_are_a_usage_error(tmp_path, rows):
    empty = Rows(type(rows.asked)((), rows.asked.homes, ()), rows.asking, 0, 0, 0)
    with pytest.raises(UsageError, match="no training record"):
        write_workspace(tmp_path / "w", empty, Tuning(), NAME, None)


def test_the_workspace_lies_beside_the_adapter():
    assert workspace_of(NAME) == NAME.adapter.with_name("tiny.sft")


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}")
    return folder


def test_an_adapter_is_put_where_use_finetuned_looks(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place_adapter(made, NAME.adapter) is None
    model = running.find_model("tiny", tuned=True)
    assert model.adapter is not None
    assert (model.adapter / "adapter_config.json").exists()


def test_the_former_adapter_is_kept(made, tmp_path):
    target = tmp_path / "out" / "tiny"
    for text in ("one", "two", "three"):
        (made / "adapter_config.json").write_text(text)
        previous = place_adapter(made, target)
    assert (target / "adapter_config.json").read_text() == "three"
    assert previous is not None
    assert (previous / "adapter_config.json").read_text() == "two"
    assert sorted(path.name for path in target.parent.iterdir()) == ["tiny", "tiny.previous"]


def test_a_failed_copy_leaves_the_former_adapter(made, tmp_path):
    target = tmp_path / "tiny"
    place_adapter(made, target)
    with pytest.raises(OSError, match="absent"):
        place_adapter(tmp_path / "absent", target)
    assert (target / "adapter_config.json").exists()
    assert not list(tmp_path.glob(".tiny*"))


def test_turns_before_the_last_are_a_column_that_is_read(tmp_path, rows):
    write_workspace(tmp_path / "w", replace(rows, turns=5), Tuning(), NAME, None)
    info = json.loads((tmp_path / "w" / "dataset_info.json").read_text())
    assert info["homebench"]["columns"]["history"] == "history"
    assert find_datasets(read_config(tmp_path / "w" / "train.yaml")).notes == ()
