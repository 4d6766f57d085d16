"""``rdagent eval --engine endpoint``: flags and settings reach the job, the key does not."""

import json

import pytest

from rdagent.cli.main import main
from rdagent.demo import mini_home, paths

KEY = "sk-Secret0123456789abcdefghij"
URL = "https://models.example.com/v1"


@pytest.fixture(autouse=True)
def _place(monkeypatch, tmp_path):
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setenv("RDAGENT_ENDPOINT_KEY", KEY)
    for name in ("FT_BASE_MODEL", "FT_BENCHMARK_ENGINE", "FT_BENCHMARK_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def evaluate(*arguments):
    tasks = ("--tasks", mini_home.TASK, "--include", str(paths.TASK_FOLDER))
    return main(["eval", *tasks, *arguments, "--dry-run"])


def test_a_dry_run_shows_the_job_that_plans_and_not_the_key(capsys):
    variant = ("--base-model", "m-1", "--base", "--variant", "other=m-2")
    assert evaluate("--engine", "endpoint", "--endpoint", URL, *variant) == 0
    said = capsys.readouterr()
    request = json.loads(json.loads(said.out)["files"]["request.json"])
    assert (request["engine"], request["stage"]) == ("endpoint", "plan")
    assert [one["model"] for one in request["variants"]] == ["m-1", "m-2"]
    assert KEY not in said.out + said.err


def test_the_settings_name_the_server_as_well(capsys, monkeypatch):
    monkeypatch.setenv("FT_BENCHMARK_ENGINE", "endpoint")
    monkeypatch.setenv("FT_BENCHMARK_ENDPOINT", URL)
    assert evaluate("--base-model", "m-1") == 0
    assert "m-1" in capsys.readouterr().out


def test_a_server_without_its_engine_is_a_slip(capsys):
    assert evaluate("--endpoint", URL, "--base-model", "m-1") == 2
    assert "--engine endpoint" in capsys.readouterr().err


def test_a_key_in_an_argument_is_refused_and_not_repeated(capsys):
    plain = "no-shape-that-anything-knows"
    given = ("--engine", "endpoint", "--endpoint", URL, "--endpoint-key", plain)
    assert evaluate(*given, "--base-model", "m-1") == 2
    said = capsys.readouterr()
    assert "RDAGENT_ENDPOINT_KEY" in said.err
    assert plain not in said.out + said.err
