"""HomeBench in real containers, on homes of our own making."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rdagent.demo import paths
from rdagent.suites.homebench.data.files import read_split
from rdagent.suites.homebench.data.generate import Plan, generate, write
from rdagent.suites.homebench.scoring.operations import ERROR_INPUT

pytestmark = [pytest.mark.engine, pytest.mark.images, pytest.mark.timeout(900)]

RDAGENT = (sys.executable, "-m", "rdagent.cli.main")
TASKS = ("homebench_zero_shot", "homebench_few_shot", "homebench_rag")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("homes 家") / "dataset"
    write(generate(Plan(homes=20, records=200, seed=5)), folder)
    return folder


def ended_well(words, folder, **settings):
    done = subprocess.run(
        [*RDAGENT, *map(str, words)],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_the_modes_are_ordinary_tasks_and_one_answer_scores_what_it_must(data, tmp_path):
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"default": f"{{{ERROR_INPUT}}}"}))
    words = ["eval", "--base-model", paths.MODEL, "--tasks", ",".join(TASKS)]
    words += ["--engine", "scripted", "--script", script, "--json"]
    done = ended_well(words, tmp_path, HOMEBENCH_DATA=str(data))
    (variant,) = json.loads(done.stdout)["variants"]
    records = read_split(data, "test")
    right = sum(record.gold == (ERROR_INPUT,) for record in records) / len(records)
    assert 0 < right < 1
    for task in TASKS:
        score = variant["scores"][task]
        assert (score["metric"], score["n"]) == ("em", len(records))
        assert score["value"] == pytest.approx(right)
    results = json.loads(
        (Path(json.loads(done.stdout)["folder"]) / "variants/base/results.json").read_text()
    )
    found = results["results"]["homebench_zero_shot"]
    assert found["em_macro,none"] == pytest.approx(0.2)
    assert found["parse_rate,none"] == 1.0
    assert found["over_refusal,none"] == 1.0


def test_a_run_leaves_its_answers_where_the_benchmark_does_and_prints_their_score(data, tmp_path):
    words = ["homebench", "run", "--model_name", "tiny", "--use_few_shot", "--shots", "2"]
    words += ["--data-dir", data, "--limit", "5", "--stratified", "--style", "compact"]
    words += ["--max-gen-toks", "16", "--batch_size", "4", "--engine", "hf", "--json"]
    done = ended_well(words, tmp_path)
    document = json.loads(done.stdout)
    assert document["records"]["ALL"]["n"] == 5
    assert document["baselines"] is not None
    rows = json.loads((tmp_path / "output" / "tiny_few_shot_test_result.json").read_text())
    assert {row["category"] for row in rows} == {"VS", "IS", "VM", "IM", "MM"}
    again = ended_well(
        [
            "homebench",
            "score",
            "--result_file",
            tmp_path / "output" / "tiny_few_shot_test_result.json",
            "--json",
        ],
        tmp_path,
    )
    assert json.loads(again.stdout)["records"] == document["records"]


def test_a_prompt_that_does_not_fit_is_refused_before_the_model_answers(data, tmp_path):
    words = ["homebench", "run", "--model_name", "tiny", "--data-dir", data, "--limit", "5"]
    done = subprocess.run(
        [*RDAGENT, *map(str, [*words, "--max-model-len", "256", "--max-gen-toks", "16"])],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "prompt" in done.stderr
    assert not (tmp_path / "output").exists()
