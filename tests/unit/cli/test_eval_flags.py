"""What the words of ``rdagent eval`` come to: the base beside adapters, and what contradicts."""

import argparse
import json

import pytest

from rdagent.cli import eval as eval_verb
from rdagent.errors import UsageError
from rdagent.evaluation.forecast import Forecast, Rates, TaskForecast
from rdagent.evaluation.progress import EvaluationProgress
from rdagent.evaluation.run import plan


def asked(*words):
    parser = argparse.ArgumentParser()
    eval_verb.add_arguments(parser)
    return eval_verb._request(parser.parse_args(["--base-model", "m", "--tasks", "gsm8k", *words]))


@pytest.mark.parametrize(
    ("words", "with_base"),
    [
        ((), True),
        (("adapter",), True),
        (("adapter", "--no-base"), False),
        (("--variant", "merged=other"), False),
        (("--variant", "merged=other", "--base"), True),
        (("--variant", "on=other+adapter"), False),
        (("--variant", "on=+adapter"), True),
    ],
)
def test_the_base_stands_beside_every_adapter_on_it(words, with_base):
    assert asked(*words).with_base is with_base


@pytest.mark.parametrize(
    "words",
    [
        ("--base", "--no-base"),
        ("--plan-only", "--dry-run"),
        ("--plan-only", "--fresh"),
        ("--subset", "f.json", "--sample", "random"),
        ("--subset", "f.json", "--limit", "5"),
    ],
)
def test_words_that_contradict_each_other_are_refused(words):
    with pytest.raises(UsageError):
        asked(*words)


def test_a_random_sample_needs_a_size():
    with pytest.raises(UsageError, match="size"):
        plan(asked("--sample", "random"))


def test_a_script_and_its_engine_go_together():
    with pytest.raises(UsageError, match="script"):
        plan(asked("--engine", "scripted"))


def test_progress_as_ndjson_is_one_object_a_line(capsys):
    eval_verb._phase_as_json("building\n\x1b[31mimages")
    eval_verb._progress_as_json(EvaluationProgress("base", 3, 10, 2.0))
    phase, progress = map(json.loads, capsys.readouterr().err.splitlines())
    assert phase["event"] == "phase"
    assert "\x1b" not in phase["text"]
    assert (progress["event"], progress["done"], progress["eta_seconds"]) == ("progress", 3, 3.5)


class Screen:
    def __init__(self):
        self.lines = []

    def say(self, line=""):
        self.lines.append(line)

    def table(self, header, rows):
        self.lines += [" ".join(row) for row in (header, *rows)]


@pytest.mark.parametrize(
    ("rates", "said"), [(None, "time: unknown"), (Rates("r7", 5.0, {"generate": 0.1}), "run r7")]
)
def test_a_forecast_says_time_only_where_it_was_measured(rates, said):
    task = TaskForecast(100, 100, 2000, 4800, 0.12, 0.2)
    screen = Screen()
    eval_verb.print_forecast(Forecast({"t": task}, 100, {"generate": 100}, 2, rates), screen)
    assert any(said in line for line in screen.lines)
    assert any("12.00" in line for line in screen.lines)
