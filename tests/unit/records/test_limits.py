import math

import pytest

from rdagent.core.settings import FinetuneSettings, load
from rdagent.errors import SettingsError
from rdagent.records.limits import read_limit


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        (1, 1),
        ("1", 1),
        (1.0, None),
        ("1.0", None),
        (" 10 ", 10),
        (10.0, 10),
        ("10.0", 10),
        (0.5, 0.5),
        ("0.25", 0.25),
        ("", None),
        ("None", None),
        (None, None),
    ],
)
def test_a_limit_counts_documents_or_is_a_share_and_one_point_zero_is_all(given, limit):
    read = read_limit(given)
    assert read == limit
    assert type(read) is type(limit)


@pytest.mark.parametrize(
    "given", [0, -1, 2.5, math.nan, math.inf, "nan", "-3", "0.0", "ten", True, [1], "1e999"]
)
def test_what_is_no_limit_is_refused(given):
    with pytest.raises(ValueError, match="limit"):
        read_limit(given)


def test_the_setting_keeps_one_document_and_all_of_them_apart(monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_LIMIT", "1")
    assert load(FinetuneSettings).benchmark_limit == 1
    monkeypatch.setenv("FT_BENCHMARK_LIMIT", "1.0")
    assert load(FinetuneSettings).benchmark_limit is None


def test_a_wrong_limit_in_the_settings_is_named(monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_LIMIT", "2.5")
    with pytest.raises(SettingsError, match=r"FT_BENCHMARK_LIMIT='2\.5'"):
        load(FinetuneSettings)
