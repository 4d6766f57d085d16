"""What a report says beside the scores: limits, failures, contamination."""

from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.core.feedback import TaskScore
from rdagent.evaluation.metrics import Average
from rdagent.evaluation.record import Evaluation, VariantResult
from rdagent.evaluation.report import rate_lines, report_lines
from rdagent.records.status import RunStatus

SCORE = TaskScore("exact_match", "strict", 0.5, 0.05, 100, True, True)
VARIANT = VariantResult(
    name="adapter",
    model="m",
    adapter="a",
    scores={"t": SCORE},
    average=Average(0.5, ("t",), {}),
    missing=(),
    notes=(),
    folder=Path("nowhere"),
)
STATUS = RunStatus("done", "ok", "", 0, "", "")
EVALUATION = Evaluation("r", Path("nowhere"), STATUS, (VARIANT,), (), None)


def text(variant=VARIANT, **change):
    return "\n".join(report_lines(replace(EVALUATION, **change), variant))


def test_a_whole_run_is_not_called_limited():
    assert "imited" not in text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"limit": 0.2}, "Limited run (limit=0.2)"),
        ({"limit": 20, "sample": "random"}, "Limited run (limit=20, drawn at random)"),
        ({"subset": "subset mine (abc): 3 documents of t"}, "subset mine"),
    ],
)
def test_what_was_left_out_is_said(change, said):
    assert said in text(**change)


def test_failures_are_told_with_their_share_and_what_did_not_happen_is_not():
    rates = {
        "t": {
            "answers": 50,
            "cut_at_length": 5,
            "empty": 0,
            "prompt_cut": 0,
            "documents": 40,
            "nothing_extracted": {"strict": 10},
            "right_only_when_read_flexibly": 4,
        }
    }
    lines = [line for _, line in rate_lines(replace(VARIANT, rates=rates))]
    assert lines == [
        "5 of 50 (10.0%) answers were cut at their longest length (raise --max-gen-toks)",
        "4 of 50 (8.0%) answers were right in content and wrong in form",
        "filter strict found nothing in 10 of 40 (25.0%) items",
    ]


@pytest.mark.parametrize("rates", [None, {}, {"t": {}}, {"t": {"answers": 0, "empty": 3}}])
def test_without_counts_nothing_is_told(rates):
    assert list(rate_lines(replace(VARIANT, rates=rates))) == []


def test_a_contaminated_task_is_marked_where_its_score_stands():
    marked = text(replace(VARIANT, contaminated=("t",)))
    (line,) = [line for line in marked.splitlines() if line.startswith("t: 50.00%")]
    assert line.endswith(", contaminated")
    assert "contaminated" not in text()
