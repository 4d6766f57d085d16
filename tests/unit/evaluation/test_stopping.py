"""``--stop-when-decided`` on the host: who may ask for it, and how what came of it is said."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.cli import eval as eval_verb
from rdagent.core.feedback import TaskScore
from rdagent.errors import UsageError
from rdagent.evaluation.feedback import feedback_of
from rdagent.evaluation.metrics import Average
from rdagent.evaluation.record import Evaluation, VariantResult
from rdagent.evaluation.report import report_lines
from rdagent.evaluation.run import plan
from rdagent.evaluation.stopping import check_serving, read_stopping, stop_rule, stopping_lines
from rdagent.evaluation.tasks import resolve_tasks
from rdagent.records.status import RunStatus
from rdagent.records.stopping import STOPPING_KEY, StoppedTask, Stopping, Verdict

FLAG = "--stop-when-decided"


def asked(*words):
    parser = argparse.ArgumentParser()
    eval_verb.add_arguments(parser)
    return eval_verb._request(parser.parse_args(["--base-model", "m", "--tasks", "gsm8k", *words]))


def test_nobody_stops_who_was_not_asked_to():
    assert asked("adapter").stop_when_decided is False
    assert asked("adapter", FLAG).stop_when_decided is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("adapter", "--no-base"), "left out"),
        ((), "there is no adapter"),
        (("--variant", "merged=other", "--base"), "'merged' is another model"),
        (("adapter", "--variant", "on=other+adapter"), "'on' is another model"),
        (("adapter", "--engine", "endpoint", "--endpoint", "http://localhost/v1"), "a server"),
    ],
)
def test_what_cannot_be_compared_in_pairs_is_refused_before_anything_is_looked_up(words, said):
    with pytest.raises(UsageError, match=said):
        plan(asked(*words, FLAG))


def test_an_adapter_that_is_merged_first_is_refused_by_name():
    with pytest.raises(UsageError, match="dora"):
        check_serving(asked("adapter", FLAG), {"dora"}, processes=1)


def test_several_processes_are_refused():
    with pytest.raises(UsageError, match="there are 4"):
        check_serving(asked("adapter", FLAG, "--tensor-parallel", "2"), (), processes=4)


def test_without_the_flag_both_are_left_alone():
    check_serving(asked("adapter"), {"dora"}, processes=4)


class Found:
    """What a preflight found of the tasks."""

    def __init__(self, *names, primary=()):
        self.tasks = resolve_tasks(names)
        self.request = replace(asked("adapter", FLAG), primary=dict(primary))


def test_tasks_are_decided_by_their_primary_metric_and_groups_by_theirs():
    rule = stop_rule(Found("gsm8k", "mmlu"))
    assert rule.alpha == 0.05
    assert rule.metrics["gsm8k"] == ("exact_match,flexible-extract",)
    assert rule.metrics["mmlu"] == rule.metrics["mmlu_anatomy"] == ("acc", "exact_match")
    assert rule.preference[-1] == "bits_per_byte"


def test_a_metric_that_is_asked_for_goes_first():
    rule = stop_rule(Found("gsm8k", primary={"gsm8k": "exact_match,strict-match"}))
    assert rule.metrics["gsm8k"][0] == "exact_match,strict-match"


# What came of it.

VERDICT = Verdict("improved", 128, 2, 18, 812.5, 0.0012)
STOPPING = Stopping(0.05, 1, 1234, {"t": StoppedTask(1319, 128, "acc", {"adapter": VERDICT})})
VARIANT = VariantResult(
    name="adapter",
    model="m",
    adapter="a",
    scores={"t": TaskScore("acc", None, 0.5, 0.05, 128, True, True)},
    average=Average(0.5, ("t",), {}),
    missing=(),
    notes=(),
    folder=Path("nowhere"),
    stopping=STOPPING,
)
STATUS = RunStatus("done", "ok", "", 0, "", "")
EVALUATION = Evaluation("r", Path("nowhere"), STATUS, (VARIANT,), (), None)
EARLY = (
    "stopped early: 128 of 1319 documents, decided: improved"
    " (e = 812, p = 0.0012 whenever one looks)"
)
LIMITED = "stopped when decided: t 128 of 1319 documents"


def lines(answered=128, planned=1319, **change):
    task = StoppedTask(planned, answered, "acc", {"adapter": replace(VERDICT, **change)})
    return dict(stopping_lines(replace(STOPPING, tasks={"t": task}), "adapter"))["t"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, EARLY),
        ({"decided_at": 92}, EARLY.replace("improved", "improved after 92")),
        ({"decision": "regressed"}, EARLY.replace("improved", "regressed")),
        (
            {"planned": 128, "decided_at": 92},
            "decided: improved after 92 of 128 documents, none left out",
        ),
        ({"planned": 128, "decision": None}, "not decided after all 128 documents"),
    ],
)
def test_what_was_decided_is_said_with_its_evidence(change, said):
    assert lines(**change).startswith(said.split(" (e")[0] + " (e = 812")


def test_a_task_that_nothing_could_be_decided_on_says_why():
    task = StoppedTask(62, 62, None, {}, "word_perplexity of an item is (1, 2)")
    told = dict(stopping_lines(replace(STOPPING, tasks={"w": task}), "adapter"))
    assert told == {
        "w": "all 62 documents were answered: word_perplexity of an item is (1, 2)",
    }


def test_the_base_is_decided_on_by_nobody():
    assert list(stopping_lines(STOPPING, "base")) == []


def test_the_report_and_the_feedback_say_it_wherever_a_limited_run_does():
    report = report_lines(EVALUATION, VARIANT)
    assert f"t: {EARLY}" in report
    assert f"Limited run ({LIMITED}): not comparable with a full one." in report
    feedback = feedback_of(EVALUATION, "adapter").return_checking
    assert EARLY in feedback
    assert LIMITED in feedback


def test_the_table_is_followed_by_both():
    notes = eval_verb._notes(EVALUATION)
    assert f"note: adapter: t: {EARLY}" in notes
    assert f"note: limited run ({LIMITED}), not comparable with a full one" in notes


def test_a_limit_is_said_beside_it():
    limited = replace(EVALUATION, limit=200).limited()
    assert limited == f"limit=200; {LIMITED}"


def test_a_run_that_left_nothing_out_is_not_limited():
    whole = replace(STOPPING, tasks={"t": StoppedTask(128, 128, "acc", {"adapter": VERDICT})})
    assert replace(EVALUATION, variants=(replace(VARIANT, stopping=whole),)).limited() is None


def test_the_json_document_holds_it_and_holds_null_where_nobody_asked():
    document = EVALUATION.to_json()
    assert Stopping.from_json(document[STOPPING_KEY]) == STOPPING
    without = replace(EVALUATION, variants=(replace(VARIANT, stopping=None),))
    assert without.to_json()[STOPPING_KEY] is None


@pytest.mark.parametrize("said", [{}, {STOPPING_KEY: None}, {STOPPING_KEY: {"tasks": 3}}])
def test_what_a_job_says_and_is_not_sound_is_left(said):
    assert read_stopping(said) is None


def test_a_strangers_names_are_made_printable():
    tasks = {"t\x1b[31m": STOPPING.tasks["t"]}
    hostile = replace(STOPPING, tasks=tasks)
    told = replace(EVALUATION, variants=(replace(VARIANT, stopping=hostile),))
    shown = [told.limited(), *map(str, stopping_lines(hostile, "adapter"))]
    assert not any("\x1b" in line for line in shown)
