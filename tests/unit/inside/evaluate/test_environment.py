"""A request from variables, for a plain ``docker run``."""

import json
from pathlib import Path

import pytest

from rdagent.errors import AdapterInvalid, SettingsError
from rdagent.inside.evaluate import environment
from rdagent.records.requests import Variant


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 8, "rank_pattern": {"q": 64}}))
    return tmp_path


def read(**variables: str) -> environment.EnvironmentPlan:
    return environment.read({"BASE_MODEL": "/m", "NUM_GPUS": "0", **variables})


def test_an_adapter_folder_becomes_the_only_variant(adapter: Path) -> None:
    request = read(ADAPTER_PATH=str(adapter)).request
    assert request.variants == (Variant("adapter", "/m", str(adapter)),)


def test_without_an_adapter_folder_the_base_is_evaluated_and_that_is_said(tmp_path: Path) -> None:
    plan = read(ADAPTER_PATH=str(tmp_path / "none"))
    assert plan.request.variants == (Variant("base", "/m"),)
    assert "the base model alone is evaluated" in plan.notes[0]


def test_the_rank_comes_from_the_adapter(adapter: Path) -> None:
    assert read(ADAPTER_PATH=str(adapter)).request.max_lora_rank == 64


def test_tasks_are_a_list_with_commas() -> None:
    assert read(BENCHMARK_TASKS="gsm8k, mmlu,").request.tasks == ("gsm8k", "mmlu")


def test_the_task_is_gsm8k_by_default() -> None:
    assert read().request.tasks == ("gsm8k",)


def test_results_land_where_the_seed_says_by_default() -> None:
    assert read().request.output == "/workspace/benchmark_results"


@pytest.mark.parametrize(
    ("text", "limit"), [("10", 10), ("1", 1), ("0.5", 0.5), ("1.0", None), ("", None)]
)
def test_a_limit_is_a_number_or_a_share(text: str, limit: float | None) -> None:
    assert read(LIMIT=text).request.limit == limit


@pytest.mark.parametrize("text", ["ten", "-1", "0", "inf", "nan"])
def test_a_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="LIMIT"):
        read(LIMIT=text)


def test_without_a_gpu_the_engine_is_hf() -> None:
    assert read().request.engine == "hf"


def test_with_a_gpu_the_engine_is_vllm() -> None:
    assert read(NUM_GPUS="1").request.engine == "vllm"


def test_an_adapter_that_vllm_cannot_serve_goes_to_hf_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 8, "use_dora": True}))
    plan = read(NUM_GPUS="1", ADAPTER_PATH=str(tmp_path))
    assert plan.request.engine == "hf"
    assert plan.notes


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(SettingsError, match="ENGINE"):
        read(ENGINE="tgi")


def test_a_missing_base_model_is_refused() -> None:
    with pytest.raises(SettingsError, match="BASE_MODEL"):
        environment.read({})


def test_an_adapter_without_a_readable_config_is_invalid(tmp_path: Path) -> None:
    with pytest.raises(AdapterInvalid):
        read(ADAPTER_PATH=str(tmp_path))
