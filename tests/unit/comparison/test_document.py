"""The report as JSON, and back."""

import json

import pytest

from rdagent.comparison.document import from_json, to_json
from rdagent.errors import ResultError
from tests.unit.comparison.sample_report import sample_report


@pytest.mark.parametrize("candidates", [1, 3])
@pytest.mark.parametrize("nasty", [False, True])
def test_a_report_comes_back_from_json_as_it_was(candidates, nasty):
    report = sample_report(candidates, nasty=nasty, forced=True)
    text = json.dumps(to_json(report), allow_nan=False)
    assert from_json(json.loads(text)) == report


def test_the_fields_that_other_programs_read_are_there():
    document = to_json(sample_report())
    assert document["schema"] == "rdagent.comparison/1"
    assert {"level", "field", "base", "candidate"} <= document["comparability"][0].keys()
    promised = (
        "task metric filter n base candidate delta ci_low ci_high b c test p p_holm q_bh mde"
        " verdict"
    )
    assert set(promised.split()) <= document["tasks"][0].keys()
    assert set(document["overall"]) == {"verdict", "reason"}


def test_rows_and_findings_of_every_candidate_stand_in_one_list():
    report = sample_report(candidates=3)
    document = to_json(report)
    assert len(document["tasks"]) == sum(len(one.tasks) for one in report.candidates)
    assert {row["candidate_name"] for row in document["tasks"]} == {
        one.side.name for one in report.candidates
    }


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: document.update(schema="rdagent.comparison/2"),
        lambda document: document.pop("tasks"),
        lambda document: document.update(candidates=7),
        lambda document: document["tasks"][0].pop("verdict"),
        lambda document: document["tasks"][0].update(unknown=1),
        lambda document: document.update(settings=None),
    ],
)
def test_a_damaged_document_is_refused_in_words(damage):
    document = to_json(sample_report())
    damage(document)
    with pytest.raises(ResultError):
        from_json(document)


def test_something_else_is_refused():
    with pytest.raises(ResultError, match="no report"):
        from_json([1, 2])
