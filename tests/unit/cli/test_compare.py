"""``rdagent compare`` as a command."""

import json
from dataclasses import replace

import pytest

from rdagent.cli.main import main
from tests.unit.comparison.builders import TaskSpec, write_side

RIGHT, WRONG = [1.0] * 40 + [0.0] * 60, [0.0] * 40 + [0.0] * 60


@pytest.fixture
def runs(tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("RDAGENT_RUNS", str(folder))
    return folder


def written(folder, values, **changes):
    write_side(folder, model=folder.name, tasks={"t": replace(TaskSpec(values), **changes)})
    return str(folder)


def test_one_document_stands_on_stdout_and_nothing_else(tmp_path, runs, capsys):
    base, tuned = written(tmp_path / "base", WRONG), written(tmp_path / "tuned", RIGHT)
    assert main(["compare", base, tuned, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "rdagent.comparison/1"
    (row,) = document["tasks"]
    assert (row["b"], row["c"], row["verdict"]) == (0, 40, "improved")
    assert document["overall"]["verdict"] == "improved"


def test_which_results_were_taken_is_said(tmp_path, runs, capsys):
    base, tuned = written(tmp_path / "base", WRONG), written(tmp_path / "tuned", RIGHT)
    main(["compare", base, tuned])
    assert "results_" in capsys.readouterr().err


def test_a_regression_ends_with_1_and_says_where(tmp_path, runs, capsys):
    base, tuned = written(tmp_path / "base", RIGHT), written(tmp_path / "tuned", WRONG)
    assert main(["compare", base, tuned]) == 1
    assert "VERDICT: REGRESSED" in capsys.readouterr().out
    assert main(["compare", base, tuned, "--fail-on", "none"]) == 0


def test_nothing_to_tell_ends_with_3_where_that_is_asked_for(tmp_path, runs):
    base, tuned = written(tmp_path / "base", RIGHT), written(tmp_path / "tuned", RIGHT)
    assert main(["compare", base, tuned]) == 0
    assert main(["compare", base, tuned, "--fail-on", "inconclusive"]) == 3


def test_what_is_not_comparable_ends_with_4_and_with_force_by_its_numbers(tmp_path, runs, capsys):
    base = written(tmp_path / "base", WRONG)
    tuned = written(tmp_path / "tuned", RIGHT, version=9.0)
    assert main(["compare", base, tuned, "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert document["tasks"] == []
    assert "FATAL" in {row["level"] for row in document["comparability"]}
    assert main(["compare", base, tuned, "--force"]) == 0
    assert "FORCED" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--margin", "2"],
        ["--alpha", "0"],
        ["--effect", "x"],
        ["--fail-on", "regresion"],
        ["--metric", "t"],
        ["--cluster", "=x"],
        ["--flips", "-1"],
        ["--target", "nothing"],
        ["--tasks", "nothing"],
    ],
)
def test_wrong_words_end_with_2(tmp_path, runs, words):
    base, tuned = written(tmp_path / "base", WRONG), written(tmp_path / "tuned", RIGHT)
    try:
        code = main(["compare", base, tuned, *words])
    except SystemExit as ended:
        code = ended.code
    assert code == 2


def test_a_share_may_be_given_in_percent(tmp_path, runs, capsys):
    base, tuned = written(tmp_path / "base", WRONG), written(tmp_path / "tuned", RIGHT)
    main(["compare", base, tuned, "--margin", "3%", "--json"])
    assert json.loads(capsys.readouterr().out)["settings"]["margin"] == pytest.approx(0.03)


def test_a_folder_without_results_names_where_it_looked(tmp_path, runs, capsys):
    (tmp_path / "empty").mkdir()
    base = written(tmp_path / "base", WRONG)
    assert main(["compare", base, str(tmp_path / "empty")]) == 2
    assert str(tmp_path / "empty") in capsys.readouterr().err


def test_every_format_can_be_printed_and_written(tmp_path, runs, capsys):
    base, tuned = written(tmp_path / "base", WRONG), written(tmp_path / "tuned", RIGHT)
    for form in ("markdown", "csv", "junit", "html", "json"):
        assert main(["compare", base, tuned, "--format", form]) == 0
        assert capsys.readouterr().out
    main(["compare", base, tuned, "--out", str(tmp_path / "out"), "--html", str(tmp_path / "h")])
    assert len(list((tmp_path / "out").iterdir())) == 6
    assert (tmp_path / "h").read_text().startswith("<!DOCTYPE html>")


def test_a_report_that_cannot_be_written_is_a_wrong_word(tmp_path, runs, capsys):
    base, tuned = written(tmp_path / "base", WRONG), written(tmp_path / "tuned", RIGHT)
    (tmp_path / "file").write_text("")
    assert main(["compare", base, tuned, "--html", str(tmp_path / "file" / "x.html")]) == 2


def test_looks_at_the_same_base_are_counted(tmp_path, runs, capsys):
    base = written(tmp_path / "base", WRONG)
    for name in ("one", "two", "three"):
        main(["compare", base, written(tmp_path / name, RIGHT), "--json"])
        document = json.loads(capsys.readouterr().out)
    assert document["looks"] == {"count": 3, "candidates": 2}
