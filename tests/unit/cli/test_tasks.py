"""``rdagent tasks`` and ``rdagent benchmarks``: what a user sees and what comes as JSON."""

import json

import pytest

from rdagent.cli.main import main


@pytest.fixture(autouse=True)
def _place(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)


@pytest.fixture
def items(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text('{"question": "1 + 1?", "answer": "#### 2"}\n' * 6)
    return str(path)


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_every_task_of_lm_eval_is_listed(capsys):
    assert main(["tasks", "ls", "--json"]) == 0
    document = told(capsys)
    kinds = [row["kind"] for row in document["tasks"]]
    assert document["schema"] == "rdagent.tasks/1"
    assert (kinds.count("task") > 13_000, "group" in kinds, "tag" in kinds) == (True, True, True)


def test_a_search_finds_names_and_data_sets_that_hold_every_word(capsys):
    main(["tasks", "search", "math", "500", "--json"])
    document = told(capsys)
    names = [row["name"] for row in document["tasks"]]
    assert names == ["hendrycks_math500", "minerva_math500"]
    assert document["aliases"]["math500"] == ["minerva_math500"]


def test_a_search_that_finds_nothing_ends_with_2_and_near_names(capsys):
    assert main(["tasks", "search", "hellaswagg"]) == 2
    assert "Near names: hellaswag," in capsys.readouterr().err


def test_whether_the_data_are_here_is_told_for_tasks_and_groups(capsys, items):
    main(["benchmarks", "add", "mmlu_anatomy", "--test", items])
    capsys.readouterr()
    main(["tasks", "search", "mmlu", "--json"])
    rows = {row["name"]: row for row in told(capsys)["tasks"]}
    assert rows["mmlu_anatomy"]["data"] == "here"
    assert rows["mmlu_virology"]["data"] == "missing"
    assert (rows["mmlu"]["data"], rows["mmlu"]["tasks"]) == ("partly", 57)


def test_only_what_can_run_now_is_listed_when_asked(capsys, items):
    main(["benchmarks", "add", "gsm8k", "--test", items])
    capsys.readouterr()
    main(["tasks", "ls", "gsm8k", "--here", "--json"])
    # gsm8k itself still lacks the examples that it draws.
    names = [row["name"] for row in told(capsys)["tasks"]]
    assert "gsm8k_cot_zeroshot" in names
    assert "gsm8k" not in names


def test_a_folder_of_ones_own_tasks_is_listed_with_them(capsys, tmp_path):
    (tmp_path / "mine.yaml").write_text("task: my_own\ndataset_path: json\n")
    main(["tasks", "search", "my_own", "--include", str(tmp_path), "--json"])
    (row,) = told(capsys)["tasks"]
    assert (row["name"], row["data"]) == ("my_own", "own")


def test_data_that_were_added_are_listed_with_rows_and_damage(capsys, items, tmp_path):
    main(["benchmarks", "add", "gsm8k", "--test", items, "--json"])
    added = told(capsys)
    assert added["added"]["splits"] == {"test": 6}
    (tmp_path / "ft" / "benchmarks" / "openai--gsm8k" / "main" / "test.jsonl").unlink()
    main(["benchmarks", "ls", "gsm", "--json"])
    (row,) = told(capsys)["benchmarks"]
    assert (row["data_set"], row["origin"]) == ("openai/gsm8k main", "files")
    assert "is missing" in row["damage"]


def test_missing_data_end_with_2_and_the_command_that_gets_them(capsys):
    assert main(["eval", "--base-model", "x", "--tasks", "gsm8k,mmlu"]) == 2
    shown = capsys.readouterr().err
    assert "rdagent benchmarks fetch gsm8k mmlu" in shown


def test_a_split_without_a_name_is_a_mistake_of_usage(capsys, items):
    assert main(["benchmarks", "add", "gsm8k", "--split", items]) == 2
    assert "--split NAME=FILE" in capsys.readouterr().err
