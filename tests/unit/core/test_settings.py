"""Settings: lists in two spellings, misspelt names found, every fault said at once."""

import re
from pathlib import Path

import pytest

import rdagent.jobs.conf  # noqa: F401  (registers its settings classes)
from rdagent.core import settings
from rdagent.core.settings import SETTINGS_CLASSES, FinetuneSettings, check_names, load
from rdagent.errors import SettingsError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    for name in settings.known_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    settings._warned.clear()


@pytest.mark.parametrize("text", ["gsm8k,mmlu", " gsm8k , mmlu ,", '["gsm8k", "mmlu"]'])
def test_a_list_may_be_written_with_commas_or_as_json(monkeypatch, text):
    monkeypatch.setenv("FT_BENCHMARK_DATASETS", text)
    assert load(FinetuneSettings).benchmark_datasets == ("gsm8k", "mmlu")


def test_the_env_file_is_read(tmp_path):
    (tmp_path / ".env").write_text("FT_BENCHMARK_TIMEOUT=7200\n")
    assert load(FinetuneSettings).benchmark_timeout == 7200


def test_the_environment_outranks_the_file(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("FT_BENCHMARK_TIMEOUT=7200\n")
    monkeypatch.setenv("FT_BENCHMARK_TIMEOUT", "60")
    assert load(FinetuneSettings).benchmark_timeout == 60


def test_an_empty_value_is_the_default(monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_LIMIT", "")
    assert load(FinetuneSettings).benchmark_limit is None


def test_every_wrong_value_is_named_at_once(monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_TIMEOUT", "soon")
    monkeypatch.setenv("FT_BENCHMARK_BATCH_SIZE", "-3")
    with pytest.raises(SettingsError) as caught:
        load(FinetuneSettings)
    assert "FT_BENCHMARK_TIMEOUT='soon'" in caught.value.message
    assert "FT_BENCHMARK_BATCH_SIZE='-3'" in caught.value.message


def test_a_name_within_two_letters_of_ours_is_an_error(monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_TIMOUT", "60")
    with pytest.raises(SettingsError, match="FT_BENCHMARK_TIMEOUT"):
        check_names()


def test_a_name_of_ours_unknown_in_the_env_file_is_an_error(tmp_path):
    (tmp_path / ".env").write_text("FT_SOMETHING_ELSE_ENTIRELY=1\n")
    with pytest.raises(SettingsError, match="FT_SOMETHING_ELSE_ENTIRELY"):
        check_names()


def test_an_unknown_name_elsewhere_is_no_error(monkeypatch):
    monkeypatch.setenv("FT_UPPER_DATA_SIZE_LIMIT", "2000")
    check_names()
    assert "FT_UPPER_DATA_SIZE_LIMIT" in settings._warned


def test_the_lazy_settings_read_the_environment_of_the_moment(monkeypatch):
    from rdagent.app.finetune.llm.conf import FT_RD_SETTING

    monkeypatch.setenv("FT_BENCHMARK_TIMEOUT", "11")
    assert FT_RD_SETTING.benchmark_timeout == 11
    monkeypatch.setenv("FT_BENCHMARK_TIMEOUT", "12")
    assert FT_RD_SETTING.benchmark_timeout == 12


def test_the_example_file_lists_every_setting_and_nothing_else():
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    listed = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    assert listed == settings.known_names() - {
        "BENCHMARK_DOCKER_ROLE",
        "FT_DOCKER_ROLE",
        "FT_LOCAL_ROLE",
    }


def test_every_setting_says_what_it_is():
    for cls in SETTINGS_CLASSES:
        for name, field in cls.model_fields.items():
            assert name == "role" or field.description, f"{cls.__name__}.{name}"


def test_every_setting_is_read_by_something():
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "rdagent").rglob("*.py")
        if "inside" not in path.parts
    )
    unread = [
        f"{cls.__name__}.{field}"
        for cls in SETTINGS_CLASSES
        for field in cls.model_fields
        if not re.search(rf"\.{field}\b", code)
    ]
    assert unread == []
