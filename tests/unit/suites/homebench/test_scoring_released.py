"""On the released test split: gold is right, and rules without a model score what is known."""

import contextlib
import io
import json
import os
from pathlib import Path

import pytest

from rdagent.cli.main import main
from rdagent.suites.homebench.scoring.paper import PAPER_RECORDS

pytestmark = pytest.mark.data

#: Rule → exact match in percent: VS, IS, VM, IM, MM, all; then F1 of all.
KNOWN = {
    "always_error": (0, 100, 0, 0, 0, 38.96, 38.67),
    "error_per_clause": (0, 99.76, 0, 98.97, 4.49, 40.47, 52.00),
    "error_count_known": (0, 100, 0, 100, 4.54, 40.58, 51.95),
}


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    source = Path(os.environ["RDAGENT_TEST_DATA"]) / "homebench"
    answers = tmp_path_factory.mktemp("answers") / "gold.jsonl"
    with (source / "test_data.jsonl").open("rb") as lines, answers.open("w") as sink:
        for line in lines:
            record = json.loads(line)
            record["prediction"] = "{" + record["output"].strip("'") + "}"
            sink.write(json.dumps(record) + "\n")
    printed = io.StringIO()
    homes = source / "home_status_method.jsonl"
    words = ["homebench", "score", "--results", str(answers), "--homes", str(homes), "--json"]
    with contextlib.redirect_stdout(printed):
        assert main(words) == 0
    return json.loads(printed.getvalue())


def test_gold_in_braces_is_right_in_every_record(document):
    assert {name: row["n"] for name, row in document["records"].items()} == PAPER_RECORDS
    assert {row[key] for row in document["records"].values() for key in ("em", "f1")} == {1.0}


def test_no_gold_is_strange_and_every_home_is_there(document):
    assert {listed["n"] for listed in document["gold"].values()} == {0}
    assert document["without_home"] == 0
    assert document["parse_rate"] == 1


@pytest.mark.parametrize("rule", KNOWN)
def test_rules_without_a_model_score_what_is_known(document, rule):
    totals = document["baselines"][rule]
    found = [100 * totals[name]["em"] for name in ("VS", "IS", "VM", "IM", "MM", "ALL")]
    rounded = tuple(round(each, 2) for each in (*found, 100 * totals["ALL"]["f1"]))
    assert rounded == KNOWN[rule]
