"""Reading lm_eval's results: two versions, bare names, and what strangers may send."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.errors import ResultError
from rdagent.evaluation.results import MetricValue, parse_results, read_results, split_key

GOLDEN = Path(__file__).parents[2] / "golden" / "lm_eval"
VERSIONS = ["0.4.9.1", "0.4.13"]


def document(**tasks: dict[str, Any]) -> dict[str, Any]:
    return {"results": tasks}


@pytest.mark.parametrize("version", VERSIONS)
def test_both_versions_give_the_same_metrics_of_a_task(version: str) -> None:
    task = read_results(GOLDEN / f"{version}.json").tasks["fixture_sum"]
    assert [(m.metric, m.filter, m.value) for m in task.metrics] == [
        ("exact_match", "strict-match", 0.0),
        ("exact_match", "flexible-extract", 0.125),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_both_versions_give_the_same_counts(version: str) -> None:
    task = read_results(GOLDEN / f"{version}.json").tasks["fixture_sum"]
    assert (task.n_effective, task.n_original, task.n_shot) == (8, 12, 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_group_is_not_among_the_tasks(version: str) -> None:
    found = read_results(GOLDEN / f"{version}.json")
    assert set(found.groups) == {"fixture_scored", "fixture_bare"}
    assert not set(found.groups) & set(found.tasks)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_group_names_its_members(version: str) -> None:
    found = read_results(GOLDEN / f"{version}.json")
    assert set(found.leaves("fixture_scored")) == {"fixture_odd_yes", "fixture_odd_no"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_group_without_a_score_has_no_metrics(version: str) -> None:
    assert read_results(GOLDEN / f"{version}.json").groups["fixture_bare"].metrics == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_standard_error_of_na_is_none(version: str) -> None:
    found = read_results(GOLDEN / f"{version}.json").tasks["fixture_text_a"]
    value = found.find("bits_per_byte", "none")
    assert value is not None
    assert value.stderr is None


@pytest.mark.parametrize("version", VERSIONS)
def test_the_direction_comes_from_the_file(version: str) -> None:
    found = read_results(GOLDEN / f"{version}.json").tasks["fixture_text_a"]
    assert {m.higher_is_better for m in found.metrics} == {False}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_whole_file_gives_no_warning(version: str) -> None:
    assert read_results(GOLDEN / f"{version}.json").warnings == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_version_and_the_limit_are_read(version: str) -> None:
    found = read_results(GOLDEN / f"{version}.json")
    assert (found.lm_eval_version, found.limit) == (version, 8)


def test_bare_metric_names_have_the_empty_filter() -> None:
    (value,) = read_results(GOLDEN / "bare.json").tasks["mmlu"].metrics
    assert value == MetricValue("acc", "none", 0.4521, 0.0123, None)


def test_the_sample_count_is_not_taken_for_a_metric() -> None:
    found = parse_results(document(t={"name": "t", "sample_len": 1319, "acc,none": 0.5}))
    assert [m.metric for m in found.tasks["t"].metrics] == ["acc"]
    assert found.tasks["t"].n_effective == 1319


def test_a_metric_whose_name_ends_like_an_error_is_kept_when_it_stands_alone() -> None:
    found = parse_results(document(t={"acc_stderr,none": 0.5}))
    assert [m.metric for m in found.tasks["t"].metrics] == ["acc_stderr"]


@pytest.mark.parametrize("value", ["N/A", "high", True, None, 10**400])
def test_a_value_that_is_no_number_becomes_none_or_is_left_out_with_a_warning(value: Any) -> None:
    found = parse_results(document(t={"acc,none": value, "f1,none": 0.5}))
    metric = found.tasks["t"].find("acc", "none")
    assert metric is None or metric.value is None
    assert found.warnings


def test_nan_in_a_file_becomes_none_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"results": {"t": {"acc,none": NaN, "acc_stderr,none": Infinity}}}')
    found = read_results(path)
    assert found.tasks["t"].metrics == (MetricValue("acc", "none", None, None, None),)
    assert found.warnings == ("t: acc,none is not a number",)


def test_a_negative_standard_error_is_none() -> None:
    found = parse_results(document(t={"acc,none": 0.5, "acc_stderr,none": -1}))
    assert found.tasks["t"].metrics[0].stderr is None


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        [],
        {},
        {"results": {}},
        {"results": []},
        {"results": {"t": 0.5}},
        {"results": {"": {}}},
        {"results": {"a\x1b[31m": {}}},
        {"results": {"t": {"acc\n,none": 1}}},
        {"results": {"t" * 400: {}}},
        {"results": {"t": {}}, "config": []},
        {"results": {"t": {}}, "group_subtasks": {"g": "t"}},
        {"results": {"t": {}}, "group_subtasks": {"g": [1]}},
        {"results": {"t": {}}, "higher_is_better": 3},
    ],
)
def test_a_malformed_document_is_refused(malformed: Any) -> None:
    with pytest.raises(ResultError):
        parse_results(malformed)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    whole = (GOLDEN / "bare.json").read_text()
    (tmp_path / "results.json").write_text(whole[: len(whole) // 2])
    with pytest.raises(ResultError, match="not valid JSON"):
        read_results(tmp_path / "results.json")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "results.json").symlink_to(GOLDEN / "bare.json")
    with pytest.raises(ResultError):
        read_results(tmp_path / "results.json")


def test_groups_that_hold_each_other_end() -> None:
    found = parse_results(
        {
            "results": {"a": {" ": " "}, "b": {" ": " "}, "t": {"acc": 1}},
            "group_subtasks": {"a": ["b", "t"], "b": ["a"]},
        }
    )
    assert found.leaves("a") == ("t",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(
    ["acc,none", "acc_stderr,none", "acc", "name", "alias", "sample_len", "samples", " ", ","]
)
SECTIONS = ["groups", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples"]


@st.composite
def nearly_results(draw: st.DrawFn) -> dict[str, Any]:
    tasks = st.sampled_from(["t", "g", "mmlu"])
    entry = st.dictionaries(KEYS | st.text(max_size=5), JSON, max_size=5)
    whole: dict[str, Any] = {"results": draw(st.dictionaries(tasks, entry | JSON, max_size=3))}
    for section in draw(st.lists(st.sampled_from([*SECTIONS, "config"]), unique=True)):
        whole[section] = draw(st.dictionaries(tasks, JSON, max_size=3) | JSON)
    return whole


@given(JSON | nearly_results())
def test_no_document_raises_anything_but_a_result_error(whole: Any) -> None:
    try:
        parse_results(whole)
    except ResultError:
        return


@given(nearly_results())
def test_every_value_read_is_finite(whole: Any) -> None:
    try:
        found = parse_results(whole)
    except ResultError:
        return
    values = [m.value for t in (*found.tasks.values(), *found.groups.values()) for m in t.metrics]
    assert all(value is None or abs(value) < float("inf") for value in values)


@given(st.binary(max_size=200))
def test_no_file_raises_anything_but_a_result_error(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        path.write_bytes(content)
        try:
            read_results(path)
        except ResultError:
            return


@given(st.text(min_size=1).filter(lambda text: "," not in text), st.text())
def test_a_key_splits_at_its_last_comma(metric: str, filter_name: str) -> None:
    if "," not in filter_name:
        assert split_key(f"{metric},{filter_name}") == (metric, filter_name)


def test_reading_is_the_same_after_a_round_trip_through_json() -> None:
    whole = json.loads((GOLDEN / "0.4.13.json").read_text())
    assert parse_results(whole) == parse_results(json.loads(json.dumps(whole)))
