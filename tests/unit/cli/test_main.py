"""The command line: codes, messages, where things are printed."""

import json
import signal
import subprocess
import sys

import pytest

from rdagent.cli import main as cli
from rdagent.cli.main import VERBS, main
from rdagent.cli.terminal import Terminal
from rdagent.errors import InternalError
from rdagent.jobs.runs import open_run


@pytest.fixture(autouse=True)
def _place(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_FILE_PATH", str(tmp_path / "ft"))
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RDAGENT_RUNS", raising=False)


def test_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"    {verb}" in shown for verb in VERBS)


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help_of_its_own(verb, capsys):
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])
    assert caught.value.code == 0
    assert VERBS[verb][:20] in capsys.readouterr().out


@pytest.mark.parametrize("words", [["fly"], ["eval", "--no-such-option"], ["train"]])
def test_wrong_usage_ends_with_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


def test_an_adapter_that_is_not_there_ends_with_6_and_the_seeds_sentence(capsys):
    assert main(["eval", "nowhere", "--tasks", "gsm8k"]) == 6
    assert "Adapter validation failed: No adapter weight file" in capsys.readouterr().err


def test_an_unknown_task_ends_with_2_and_names_near_ones(capsys, tmp_path):
    assert main(["eval", "--base-model", "x", "--tasks", "gsm8kk"]) == 2
    shown = capsys.readouterr().err
    assert "Task 'gsm8kk' not found" in shown
    assert "gsm8k" in shown


def test_an_unknown_setting_ends_with_2_and_a_suggestion(monkeypatch, capsys):
    monkeypatch.setenv("FT_BENCHMARK_TIMEUOT", "5")
    assert main(["runs", "ls"]) == 2
    assert "FT_BENCHMARK_TIMEOUT" in capsys.readouterr().err


def test_a_missing_training_configuration_ends_with_2(capsys, tmp_path):
    assert main(["train", str(tmp_path)]) == 2
    assert "train.yaml" in capsys.readouterr().err


def test_an_error_as_json_is_one_document_on_stdout(capsys):
    assert main(["eval", "nowhere", "--tasks", "gsm8k", "--json"]) == 6
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 6
    assert document["hint"]


def test_a_demo_that_insists_on_an_engine_ends_with_5_and_names_the_command(
    monkeypatch, capsys, no_engine
):
    monkeypatch.setenv("FT_ENV", "docker")
    assert main(["demo"]) == 5
    assert "make engine" in capsys.readouterr().err


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(monkeypatch, capsys):
    def interrupted(arguments, terminal):
        raise KeyboardInterrupt

    monkeypatch.setattr("rdagent.cli.runs.run", interrupted)
    assert main(["runs", "ls"]) == 130
    assert "the same command" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["at once", "in the message", "in Python's own end"])
def test_a_second_signal_never_changes_the_exit_code(moment, number):
    program = f"""
import atexit, signal
import rdagent.cli.main as cli, rdagent.cli.runs as verb
from rdagent.jobs.interrupts import signals_as_flags
again = lambda *_: signal.raise_signal({int(number)})
def run(arguments, terminal):
    with signals_as_flags() as interrupts:
        again()
    if "at once" == "{moment}":
        again()
    interrupts.raise_if_asked()
verb.run = run
if "in the message" == "{moment}":
    cli.print_error = again
if "in Python's own end" == "{moment}":
    class Late:
        def __del__(self, again=again): again()
    kept = Late()
    atexit.register(again)
cli.main.__defaults__ = (["runs", "ls"],)
cli.command()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (130, False), done.stderr


def test_a_mistake_of_ours_shows_its_trace_and_ends_with_10(monkeypatch, capsys):
    def broken(arguments, terminal):
        raise InternalError("impossible")

    monkeypatch.setattr("rdagent.cli.runs.run", broken)
    assert main(["runs", "ls"]) == 10
    assert "Traceback" in capsys.readouterr().err


def test_runs_are_listed_shown_and_their_logs_printed(capsys, tmp_path):
    request = {"kind": "evaluate", "told": {"tasks": ["gsm8k"]}}
    run = open_run(tmp_path / "ft" / "runs", request)
    (run.attempts / "001").mkdir(parents=True)
    (run.attempts / "001" / "log.txt").write_text("first\n\x1b[31mlast\n")
    run.finish("timeout")
    assert main(["runs", "ls", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["runs"]
    assert [(row["run"], row["reason"], row["what"]) for row in listed] == [
        (run.run_id, "timeout", "gsm8k")
    ]
    assert main(["runs", "show", "last", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"]["exit_code"] == 124
    assert main(["runs", "logs", run.run_id, "--tail", "1"]) == 0
    assert capsys.readouterr().out == "last\n"


def test_no_runs_is_said(capsys):
    assert main(["runs", "ls"]) == 0
    assert "no runs in" in capsys.readouterr().out


def test_a_run_that_is_not_there_ends_with_2(capsys):
    assert main(["runs", "show", "2031"]) == 2


def test_what_a_terminal_would_obey_is_not_printed(capsys):
    Terminal().say("\x1b]0;evil\x07hello")
    assert capsys.readouterr().out == "hello\n"


def test_numbers_of_a_table_stand_to_the_right(capsys):
    Terminal().table(("task", "n"), [("a", "5"), ("bb", "100")])
    assert capsys.readouterr().out.splitlines() == [
        "task    n",
        "----  ---",
        "a       5",
        "bb    100",
    ]


def test_the_verbs_are_loaded_only_when_they_are_meant():
    script = (
        "import sys; from rdagent.cli.main import _parser; _parser(['--help']); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    modules = loaded.stdout.split()
    assert not {"docker", "pydantic", "rich", "loguru", "yaml", "rdagent.cli.eval"} & set(modules)


def test_importing_the_public_names_loads_nothing_heavy():
    script = (
        "import sys, rdagent.scenarios.finetune.train.benchmark, "
        "rdagent.scenarios.finetune.train.runner, rdagent.scenarios.finetune.train.test_benchmark, "
        "rdagent.utils.env, rdagent.app.finetune.llm.conf; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    heavy = {"torch", "transformers", "vllm", "lm_eval", "datasets", "scipy", "numpy", "docker"}
    assert not heavy & set(loaded.stdout.split())


def test_the_error_tree_is_drawn_as_it_is():
    from rdagent import errors

    drawn = errors.__doc__
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.RDAgentError):
            line = next(line for line in drawn.splitlines() if f" {name} " in line)
            assert str(value.exit_code) in line, name


def test_main_knows_the_exit_code_of_an_interruption():
    assert cli.INTERRUPTED == 130


def test_an_error_that_nobody_expected_ends_with_10_and_one_json_document(monkeypatch, capsys):
    def broken(arguments, terminal):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rdagent.cli.runs.run", broken)
    assert main(["runs", "ls", "--json"]) == 10
    assert json.loads(capsys.readouterr().out)["exit_code"] == 10


def test_numbers_that_cannot_be_end_with_2(capsys):
    assert main(["eval", "--base", "--tasks", "gsm8k", "--limit", "-1", "--dry-run"]) == 2
    assert "--limit -1: a limit is above 0" in capsys.readouterr().err


@pytest.mark.parametrize("age", ["3", "d", "-3d", "3w", "", "9999999d"])
def test_an_age_that_is_none_is_refused(capsys, age):
    assert main(["runs", "clean", f"--older-than={age}", "--dry-run"]) == 2
    assert "no age" in capsys.readouterr().err


def test_a_dry_clean_keeps_what_it_names(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("RDAGENT_RUNS", str(tmp_path))
    failed = open_run(tmp_path, {"kind": "test"})
    failed.finish("timeout")
    assert main(["runs", "clean", "--failed", "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in document["runs"]] == [failed.run_id]
    assert failed.path.is_dir()
