"""The rule that a run may stop by, what came of it, and the names of metrics."""

import json
from dataclasses import asdict, replace

import pytest

from rdagent.errors import ResultError
from rdagent.records.metric_keys import first_choice, rank
from rdagent.records.progress import PROGRESS_FILE, ProgressLog
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.stopping import StoppedTask, Stopping, StopRule, Verdict

RULE = StopRule(metrics={"t": ("acc,none",)}, preference=("acc", "f1"))
REQUEST = EvaluateRequest((Variant("base", "/m"),), ("t",), "/o", "hf")
VERDICT = Verdict("improved", 92, 2, 18, 812.5, 0.0012)
TASK = StoppedTask(1319, 128, "acc,none", {"a": VERDICT})
STOPPING = Stopping(0.05, 2, 1234, {"t": TASK, "u": StoppedTask(10, 10, None, {}, "graded")})


def test_a_request_without_a_rule_is_written_as_it_ever_was():
    assert "stop" not in REQUEST.to_json()
    assert EvaluateRequest.from_json(json.loads(json.dumps(REQUEST.to_json()))) == REQUEST


def test_a_rule_comes_back_as_it_was_told():
    asked = replace(REQUEST, stop=RULE)
    assert EvaluateRequest.from_json(json.loads(json.dumps(asked.to_json()))) == asked


@pytest.mark.parametrize("alpha", [0, 1, -0.1, "x", None])
def test_a_level_that_is_none_is_refused(alpha):
    with pytest.raises(ResultError):
        StopRule.from_json({**RULE.to_json(), "alpha": alpha})


def test_what_came_of_it_comes_back_as_it_was_written():
    assert Stopping.from_json(json.loads(json.dumps(STOPPING.to_json()))) == STOPPING


def test_tasks_that_left_documents_out_are_named_with_their_counts():
    assert STOPPING.stopped
    assert STOPPING.said() == "t 128 of 1319 documents"
    whole = replace(STOPPING, tasks={"u": STOPPING.tasks["u"]})
    assert (whole.stopped, whole.said()) == (False, "")


def test_what_is_written_says_whether_it_stopped():
    document = STOPPING.to_json()
    assert (document["stopped"], document["tasks"]["t"]["stopped"]) == (True, True)
    assert document["tasks"]["u"]["stopped"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "won"},
        {"decided_at": None},
        {"decided_at": -1},
        {"b": -1},
        {"c": 1.5},
        {"e": -1},
        {"e": float("inf")},
        {"e": float("nan")},
        {"e": None},
        {"p": 1.1},
        {"p": None},
    ],
)
def test_a_verdict_that_cannot_be_is_refused(change):
    task = {**TASK.to_json(), "adapters": {"a": {**asdict(VERDICT), **change}}}
    with pytest.raises(ResultError):
        Stopping.from_json({**STOPPING.to_json(), "tasks": {"t": task}})


@pytest.mark.parametrize("change", [{"answered": 2000}, {"planned": -1}, {"adapters": [1]}])
def test_counts_that_cannot_be_are_refused(change):
    with pytest.raises(ResultError):
        Stopping.from_json({**STOPPING.to_json(), "tasks": {"t": {**TASK.to_json(), **change}}})


@pytest.mark.parametrize("document", [None, [], "x", {}, {"alpha": 0.05, "tasks": []}])
def test_what_is_no_such_document_is_refused(document):
    with pytest.raises(ResultError):
        Stopping.from_json(document)


# Metrics.

PREFERENCE = ("exact_match,flexible", "exact_match", "acc_norm", "acc")


@pytest.mark.parametrize(
    ("keys", "wanted", "found"),
    [
        (["acc,none", "acc_norm,none"], ["acc"], "acc,none"),
        (["acc,none", "acc_norm,none"], [], "acc_norm,none"),
        (["exact_match,strict", "exact_match,flexible"], [], "exact_match,flexible"),
        (["exact_match,strict", "acc,none"], [], "exact_match,strict"),
        (["z,none", "a,none"], ["lacking"], "a,none"),
        ([], ["acc"], None),
    ],
)
def test_a_metric_that_is_named_goes_before_those_that_are_preferred(keys, wanted, found):
    assert first_choice(keys, wanted, PREFERENCE) == found


def test_the_order_of_preference_is_by_metric_then_by_filter_then_by_name():
    keys = ["unknown", "acc", "exact_match,strict", "exact_match", "exact_match,flexible"]
    ordered = sorted(keys, key=lambda key: rank(key, PREFERENCE))
    assert ordered == [
        "exact_match,flexible",
        "exact_match",
        "exact_match,strict",
        "acc",
        "unknown",
    ]


# Progress.


@pytest.mark.parametrize(("known", "steps", "total"), [(0, 30, 29), (40, 5, 29), (3, 20, 23)])
def test_the_last_line_says_that_nothing_more_is_to_come(tmp_path, known, steps, total):
    progress = ProgressLog(tmp_path, "base", 100, known)
    progress.begin()
    for _ in range(steps):
        progress.step()
    progress.end(total)
    line = json.loads((tmp_path / PROGRESS_FILE).read_text().splitlines()[-1])
    assert (line["done"], line["total"]) == (total, total)
    assert line["known"] <= line["done"]
