"""``rdagent homebench score`` as a command."""

import json

import pytest

from rdagent.cli.main import main

ON = "kitchen.light.turn_on()"
ANSWERS = [
    {"id": "a", "category": "VS", "gold": f"'''{ON}'''", "prediction": f"{{{ON}}}", "input": "On."},
    {"id": "b", "category": "IS", "gold": "'''error_input'''", "prediction": f"{{{ON}}}"},
]


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in ANSWERS))
    return path


@pytest.mark.parametrize("flag", ["--results", "--result_file"])
def test_one_document_stands_on_stdout_and_nothing_else(answers, capsys, flag):
    assert main(["homebench", "score", flag, str(answers), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["records"]["ALL"]["em"] == 0.5
    assert document["baselines"]["error_per_clause"] is None


def test_records_are_written_in_the_order_of_the_file(answers, tmp_path, capsys):
    out = tmp_path / "records.jsonl"
    assert main(["homebench", "score", "--results", str(answers), "--per-record", str(out)]) == 0
    assert [json.loads(line) for line in out.read_text().splitlines()] == [
        {"index": 0, "id": "a", "tp": 1, "fp": 0, "fn": 0, "em": 1, "errors": []},
        {"index": 1, "id": "b", "tp": 0, "fp": 1, "fn": 1, "em": 0, "errors": ["unknown"]},
    ]


def test_the_homes_decide_what_was_done_in_the_place_of_a_refusal(answers, tmp_path, capsys):
    homes = tmp_path / "homes.jsonl"
    homes.write_text(json.dumps({"home_id": 1, "method": []}))
    answers.write_text(json.dumps({**ANSWERS[1], "home_id": 1}))
    words = ["homebench", "score", "--results", str(answers), "--homes", str(homes), "--json"]
    assert main(words) == 0
    errors = json.loads(capsys.readouterr().out)["errors"]["ALL"]["kinds"]
    assert (errors["accepted_invalid"], errors["unknown"]) == (1, 0)


def test_the_tables_say_what_is_ours_and_what_is_the_papers(answers, capsys):
    assert main(["homebench", "score", "--results", str(answers)]) == 0
    out = capsys.readouterr().out
    assert "without a model: always {error_input}" in out
    assert "paper: GPT-4o, 4-shot" in out


def test_an_unknown_category_ends_with_6_and_names_the_line(answers, capsys):
    answers.write_text(json.dumps({**ANSWERS[0], "category": "SV"}))
    assert main(["homebench", "score", "--results", str(answers)]) == 6
    assert "answers.jsonl: line 1: unknown category 'SV'" in capsys.readouterr().err


def test_a_file_without_any_gold_has_no_score(answers, capsys):
    answers.write_text(json.dumps({**ANSWERS[0], "gold": None}))
    assert main(["homebench", "score", "--results", str(answers)]) == 6
    assert "no record has a gold" in capsys.readouterr().err


def test_the_answers_are_not_replaced_by_what_is_written(answers, capsys):
    before = answers.read_text()
    words = ["homebench", "score", "--results", str(answers), "--per-record", str(answers)]
    assert main(words) == 2
    assert answers.read_text() == before


def test_a_folder_is_no_place_for_the_records(answers, tmp_path, capsys):
    words = ["homebench", "score", "--results", str(answers), "--per-record", str(tmp_path)]
    assert main(words) == 2


def test_an_id_of_any_characters_can_be_written_and_shown(answers, tmp_path, capsys):
    answers.write_text(json.dumps({**ANSWERS[0], "id": "\ud800\x1b[31m", "gold": "odd"}))
    out = tmp_path / "records.jsonl"
    words = ["homebench", "score", "--results", str(answers), "--per-record", str(out), "--json"]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert json.loads(out.read_text())["id"] == "\ud800\x1b[31m"


def test_an_action_is_needed(capsys):
    with pytest.raises(SystemExit) as end:
        main(["homebench"])
    assert end.value.code == 2
