"""Presets: what ships, what a file may say, and what wins over what."""

import json
from pathlib import Path

import pytest

from rdagent.cli import eval as eval_verb
from rdagent.cli.main import main
from rdagent.core.settings import FinetuneSettings, known_names, load
from rdagent.errors import UnknownTaskError, UsageError
from rdagent.evaluation.presets import Preset, PresetTask, find_preset, parse_preset, shipped
from rdagent.evaluation.request import request_from_settings, with_preset
from rdagent.evaluation.tasks import resolve_tasks
from rdagent.records.subset import make_subset

STEM = ["abstract_algebra", "college_biology", "machine_learning", "high_school_statistics"]


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    for name in known_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def document(**changes):
    told = {"schema": "rdagent.preset/1", "name": "mine", "tasks": [{"task": "gsm8k"}], **changes}
    return json.dumps({key: value for key, value in told.items() if value is not None})


def parsed(**changes):
    return parse_preset(document(**changes), "mine.json")


def written(tmp_path, **changes):
    path = tmp_path / "mine.json"
    path.write_text(document(**changes))
    return str(path)


def asked(*words):
    parser = eval_verb.argparse.ArgumentParser()
    eval_verb.add_arguments(parser)
    return eval_verb._request(parser.parse_args(["--base", "--base-model", "m", *words]))


# --- those that ship


def test_the_model_comparison_has_its_eighteen_benchmarks_and_a_fifth_of_each():
    preset = find_preset("model-comparison")
    assert preset.limit == 0.2
    assert preset.names[:4] == ("drop", "winogrande", "gsm8k", "minerva_math")
    assert len(preset.names) == 18
    assert {f"mmlu_{name}" for name in STEM} <= set(preset.names)


def test_its_tasks_are_scored_by_the_metrics_that_its_guide_names():
    found = {one.task: one.primary for one in find_preset("model-comparison").tasks}
    assert found["drop"] == "f1"
    assert found["winogrande"] == "acc"
    assert found["gsm8k"] == "exact_match,flexible-extract"
    assert found["minerva_math"] == "math_verify"
    assert {metric for task, metric in found.items() if task.startswith("mmlu_")} == {"acc"}


@pytest.mark.parametrize("preset", shipped(), ids=lambda preset: preset.name)
def test_what_ships_names_tasks_of_lm_eval_by_their_own_names(preset):
    resolved = resolve_tasks(preset.names)
    assert resolved.names == preset.names
    assert (resolved.notes, find_preset(preset.name)) == ((), preset)
    assert preset.description
    assert preset.source


# --- files


def test_a_file_says_tasks_examples_metrics_and_a_limit():
    tasks = [
        {"task": "a", "num_fewshot": 0, "primary": {"metric": "acc"}},
        {"task": "b", "primary": {"metric": "m", "filter": "f"}},
        {"task": "c", "primary": {"metric": "m", "filter": "none"}},
    ]
    assert parsed(tasks=tasks, limit=50) == Preset(
        "mine",
        (PresetTask("a", 0, "acc"), PresetTask("b", None, "m,f"), PresetTask("c", None, "m")),
        50,
    )


def test_a_limit_of_one_as_a_share_is_none():
    assert (parsed(limit=1.0).limit, parsed(limit=1).limit, parsed().limit) == (None, 1, None)


@pytest.mark.parametrize(
    ("changes", "near"),
    [
        ({"limits": 5}, "'limit'"),
        ({"tasks": [{"task": "a", "num_fewshots": 5}]}, "'num_fewshot'"),
        ({"tasks": [{"task": "a", "primary": {"metrics": "acc"}}]}, "'metric'"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_one(changes, near):
    with pytest.raises(UsageError, match=r"mine\.json: .* which is not known") as caught:
        parsed(**changes)
    assert f"Did you mean {near}?" in caught.value.hint


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "rdagent.preset/2"},
        {"schema": None},
        {"name": None},
        {"name": "a\x1b[31m"},
        {"description": 5},
        {"tasks": None},
        {"tasks": []},
        {"tasks": ["gsm8k"]},
        {"tasks": [{"num_fewshot": 5}]},
        {"tasks": [{"task": " "}]},
        {"tasks": [{"task": "a"}, {"task": "a"}]},
        {"tasks": [{"task": "a", "num_fewshot": -1}]},
        {"tasks": [{"task": "a", "num_fewshot": True}]},
        {"tasks": [{"task": "a", "num_fewshot": 1.5}]},
        {"tasks": [{"task": "a", "primary": "acc"}]},
        {"tasks": [{"task": "a", "primary": {"filter": "none"}}]},
        {"limit": -1},
        {"limit": 2.5},
    ],
)
def test_a_file_with_a_slip_in_it_is_refused(changes):
    with pytest.raises(UsageError, match=r"^mine\.json"):
        parsed(**changes)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"limit": NaN}', b"\xff\xfe"])
def test_what_is_no_json_object_is_refused(content):
    with pytest.raises(UsageError, match=r"^mine\.json"):
        parse_preset(content, "mine.json")


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(UsageError, match="'model-comparision'") as caught:
        find_preset("model-comparision")
    assert "Did you mean model-comparison?" in caught.value.hint


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        find_preset(str(tmp_path / "none.json"))


def test_the_digest_is_of_what_is_asked_and_of_nothing_else():
    one = parsed()
    assert parsed(name="other", description="d", source="s").digest == one.digest
    others = [
        parsed(limit=5),
        parsed(tasks=[{"task": "gsm8k", "num_fewshot": 0}]),
        parsed(tasks=[{"task": "gsm8k", "primary": {"metric": "exact_match"}}]),
        parsed(tasks=[{"task": "drop"}]),
    ]
    assert len({each.digest for each in (one, *others)}) == 5


# --- what becomes of names


def test_the_number_of_a_group_goes_to_its_tasks_but_not_over_their_own():
    preset = parsed(
        tasks=[{"task": "ai2_arc", "num_fewshot": 25}, {"task": "arc_easy", "num_fewshot": 0}]
    )
    assert preset.fewshot() == {"arc_easy": 0, "arc_challenge": 25}


def test_an_alias_is_resolved_for_numbers_and_metrics():
    preset = parsed(tasks=[{"task": "math500", "num_fewshot": 2, "primary": {"metric": "m"}}])
    assert preset.fewshot() == {"minerva_math500": 2}
    assert preset.primary() == {"minerva_math500": "m"}


def test_the_metric_of_a_group_is_its_own_and_its_tasks():
    found = parsed(tasks=[{"task": "minerva_math", "primary": {"metric": "math_verify"}}]).primary()
    assert found["minerva_math"] == found["minerva_math_algebra"] == "math_verify"
    assert len(found) == 8


def test_a_name_that_is_unknown_is_said_where_tasks_are_resolved():
    preset = parsed(tasks=[{"task": "no_such_task", "num_fewshot": 1}])
    assert preset.fewshot() == {"no_such_task": 1}
    with pytest.raises(UnknownTaskError):
        resolve_tasks(preset.names)


# --- what wins


def test_a_preset_goes_before_the_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("FT_BENCHMARK_DATASETS", "hellaswag")
    monkeypatch.setenv("FT_BENCHMARK_LIMIT", "7")
    monkeypatch.setenv("FT_BENCHMARK_NUM_FEWSHOT", "9")
    file = written(tmp_path, tasks=[{"task": "gsm8k", "num_fewshot": 2}], limit=0.5)
    request = asked("--preset", file)
    assert (request.tasks, request.limit, request.num_fewshot) == (("gsm8k",), 0.5, None)
    assert request.fewshot_by_task == {"gsm8k": 2}


def test_what_is_said_on_the_command_line_goes_before_the_preset(tmp_path):
    file = written(tmp_path, tasks=[{"task": "gsm8k", "num_fewshot": 2}], limit=0.5)
    request = asked("--preset", file, "--tasks", "drop", "--limit", "1.0", "--num-fewshot", "3")
    assert (request.tasks, request.limit, request.num_fewshot) == (("drop",), None, 3)
    assert request.fewshot_by_task == {}


def test_the_preset_of_the_settings_is_used_everywhere_and_another_one_replaces_it(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("FT_BENCHMARK_PRESET", "model-comparison")
    from_settings = request_from_settings(load(FinetuneSettings), ())
    assert (len(from_settings.tasks), from_settings.limit) == (18, 0.2)
    assert asked("--preset", written(tmp_path)).tasks == ("gsm8k",)


def test_the_note_says_which_preset_it_was_and_what_was_asked_otherwise():
    digest = find_preset("model-comparison").digest[:8]
    told = f"preset model-comparison ({digest}): 18 tasks, limit 0.2"
    assert asked("--preset", "model-comparison").notes == (told,)
    changed = asked("--preset", "model-comparison", "--limit", "5", "--tasks", "drop")
    assert changed.notes == (f"{told}; asked otherwise: tasks, limit",)


def test_tasks_of_an_include_folder_can_stand_in_a_preset(tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "a.yaml").write_text("task: mine_a\ntag: mine\n")
    (tmp_path / "tasks" / "b.yaml").write_text("task: mine_b\ntag: mine\n")
    file = written(tmp_path, tasks=[{"task": "mine", "num_fewshot": 1}])
    request = asked("--preset", file, "--include", str(tmp_path / "tasks"))
    assert request.fewshot_by_task == {"mine_a": 1, "mine_b": 1}


def test_a_preset_is_put_under_a_request_without_the_command_line():
    request = request_from_settings(load(FinetuneSettings), ())
    kept = with_preset(request, parsed(limit=5), kept=["tasks"])
    assert (kept.tasks, kept.limit) == (request.tasks, 5)


# --- beside a subset


def test_a_subset_brings_its_tasks_and_takes_away_the_limit(monkeypatch, tmp_path):
    monkeypatch.setenv("FT_BENCHMARK_LIMIT", "7")
    subset = make_subset("s", {"drop": ["a" * 64]})
    subset.write(tmp_path / "s.json")
    request = asked("--subset", str(tmp_path / "s.json"))
    assert (request.subset, request.tasks, request.limit) == (subset, ("drop",), None)
    assert request.notes == (subset.said,)
    request = asked("--subset", str(tmp_path / "s.json"), "--preset", "model-comparison")
    assert (len(request.tasks), request.limit, len(request.notes)) == (18, None, 2)


def test_a_subset_and_a_limit_are_not_both_asked_for(tmp_path):
    make_subset("s", {"drop": ["a" * 64]}).write(tmp_path / "s.json")
    with pytest.raises(UsageError, match="give one"):
        asked("--subset", str(tmp_path / "s.json"), "--limit", "5")


def test_a_file_that_is_no_subset_is_a_mistake_of_usage(tmp_path):
    (tmp_path / "s.json").write_text("{}")
    with pytest.raises(UsageError, match=r"s\.json has schema None"):
        asked("--subset", str(tmp_path / "s.json"))


# --- the list


def test_the_presets_are_listed_with_their_tasks(capsys):
    assert main(["tasks", "presets"]) == 0
    told = capsys.readouterr().out
    assert "preset model-comparison (" in told
    assert "minerva_math: math_verify" in told


def test_the_presets_are_listed_as_json(capsys):
    assert main(["tasks", "presets", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (one,) = [each for each in told["presets"] if each["name"] == "model-comparison"]
    assert told["schema"] == "rdagent.presets/1"
    assert one["digest"] == find_preset("model-comparison").digest
    assert one["tasks"][0] == {"task": "drop", "num_fewshot": None, "primary": "f1"}


def test_the_document_names_every_preset_that_ships():
    text = (Path(__file__).parents[3] / "docs" / "presets.md").read_text(encoding="utf-8")
    assert [one.name for one in shipped() if f"`{one.name}`" not in text] == []
