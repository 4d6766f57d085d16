"""The report on a file of answers."""

import json

import pytest

from rdagent.suites.homebench.intervals import MACRO, score_intervals
from rdagent.suites.homebench.report import make_report
from rdagent.suites.homebench.report_text import summary, tables, warnings
from rdagent.suites.homebench.scoring.judgement import judge, judge_all
from rdagent.suites.homebench.scoring.records import Homes, Record
from rdagent.suites.homebench.scoring.score import Counts

ON, SET = "kitchen.light.turn_on()", "kitchen.light.set_brightness({})"
HOMES = Homes({"1": frozenset({"kitchen.light.turn_on", "kitchen.light.set_brightness"})})


def record(index, category, gold, prediction, **changes):
    fields = {
        "place": f"line {index + 1}",
        "id": None,
        "kind": None,
        "home": "1",
        "request": "Do it.",
    }
    return Record(
        index=index, category=category, gold=gold, prediction=prediction, **{**fields, **changes}
    )


RECORDS = [
    record(0, "VS", ON, f"{{{ON}}}", id="a", kind="normal"),
    record(1, "VS", ON, "{error_input}", kind="normal"),
    record(2, "VS", SET.format(4), f"{{{SET.format(5)}}}", request="Set the light to 4."),
    record(3, "IS", "error_input", "{error_input}", kind="unexist_device"),
    record(4, "IS", "error_input", "{cellar.light.turn_on()}", kind="unexist_attribute"),
    record(5, "VM", f"{ON},{SET.format(4)}", f"```\n{ON},{SET.format(4)}\n```"),
    record(6, "MM", f"{ON},error_input", "Sorry.", kind="multi2_mix"),
]


@pytest.fixture
def report():
    return make_report(list(judge_all(RECORDS, HOMES)), "answers.jsonl")


def test_the_document_is_json_and_holds_fractions(report):
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["schema"] == "rdagent.homebench-score/1"
    assert document["records"]["VS"] == pytest.approx(
        {"n": 3, "em": 1 / 3, "precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3}
    )
    assert list(document["records"]) == ["ALL", "VS", "IS", "VM", "IM", "MM"]
    assert document["records"]["IM"]["n"] == 0
    assert document["baselines"]["always_error"]["IS"]["em"] == 1
    assert len(document["paper"]["rows"]) == 27


def test_the_lenient_scores_stand_beside_and_not_in_the_headline(report):
    assert (report.strict["VM"].em, report.lenient["VM"].em) == (0, 1)


def test_answers_without_braces_lower_the_parse_rate(report):
    assert report.parse_rate == pytest.approx(5 / 7)
    assert any("71.43 % of the answers have braces" in line for line in warnings(report))


def test_over_refusal_is_the_share_of_valid_single_requests_that_were_refused(report):
    assert report.over_refusal == pytest.approx(1 / 3)


def test_without_valid_single_requests_there_is_no_over_refusal():
    assert make_report([judge(RECORDS[3])], "x").over_refusal is None


def test_errors_are_counted_by_kind_by_the_papers_types_and_by_category(report):
    everything, refusing = report.errors["ALL"], report.errors["IS"]
    assert {kind: n for kind, n in everything.kinds.items() if n} == {
        "unparsable": 1,
        "key_error": 1,
        "refused_valid": 1,
        "accepted_invalid": 1,
        "wrong_value": 1,
    }
    assert everything.missed == 5
    assert everything.paper_types == {
        "unfaithfulness": 1,
        "in_context_attention": 2,
        "key_error": 2,
    }
    assert everything.value_changes == {"relative": 0, "absolute": 1, "undecided": 0}
    assert (refusing.missed, refusing.kinds["accepted_invalid"]) == (1, 1)


def test_scores_are_split_by_size_and_by_type_where_it_is_known(report):
    assert {size: total.n for size, total in report.by_size.items()} == {1: 5, 2: 2}
    assert {kind: total.n for kind, total in report.by_type.items()} == {
        "multi_mix": 1,
        "normal": 2,
        "unexist_attribute": 1,
        "unexist_device": 1,
    }


def test_a_record_whose_gold_is_no_text_counts_nowhere_and_is_listed():
    left_out = judge(record(1, "VS", None, "{x}", id="q"))
    report = make_report([judge(RECORDS[0]), left_out], "x")
    assert report.strict["ALL"].n == 1
    assert report.unscored == ("line 2: q",)
    assert any("no gold" in line and "line 2: q" in line for line in warnings(report))
    assert left_out.to_json() == {
        "index": 1,
        "id": "q",
        "tp": None,
        "fp": None,
        "fn": None,
        "em": None,
        "errors": ["unparsable_gold"],
    }


def test_a_gold_that_holds_no_operations_is_scored_as_it_is_and_listed():
    report = make_report([judge(record(0, "VS", "turn it on", "{turniton}"))], "x")
    assert report.strict["VS"].em == 1
    assert report.strange_gold == ("line 1",)


@pytest.mark.parametrize(
    ("category", "gold"),
    [
        ("VS", "error_input"),
        ("VS", f"{ON},{ON}"),
        ("IS", ON),
        ("VM", ON),
        ("IM", f"{ON},error_input"),
        ("MM", ON),
    ],
)
def test_a_gold_that_is_not_what_its_category_says_is_listed(category, gold):
    report = make_report([judge(record(0, category, gold, ""))], "x")
    assert report.miscategorised == ("line 1",)


def test_a_mix_of_refusals_alone_is_listed_nowhere():
    report = make_report([judge(record(0, "MM", "error_input,error_input", ""))], "x")
    assert (report.miscategorised, report.strange_gold) == ((), ())


def test_a_home_that_is_not_there_makes_an_error_unknown_and_is_told():
    report = make_report(list(judge_all([*RECORDS, RECORDS[4]], Homes({}))), "x")
    assert report.errors["ALL"].kinds["unknown"] == 2
    assert report.without_home == 8
    assert any("without their home" in line for line in warnings(report))


def test_a_records_line_has_its_counts_and_kinds():
    assert judge(RECORDS[1]).to_json() == {
        "index": 1,
        "id": None,
        "tp": 0,
        "fp": 1,
        "fn": 1,
        "em": 0,
        "errors": ["refused_valid"],
    }


def test_every_result_is_shown_beside_the_baselines_and_the_papers_rows(report):
    beside = next(table for table in tables(report) if "paper" in table.title)
    names = [row[0] for row in beside.rows]
    assert names[0] == "this file"
    assert [name.partition(":")[0] for name in names[1:4]] == ["without a model"] * 3
    assert all(name.startswith("paper: ") for name in names[4:])
    assert "17,366 records and not of these" in beside.note
    assert "a bound and no number" in beside.note


def test_every_table_has_as_many_cells_as_columns(report):
    for table in tables(report):
        assert {len(row) for row in table.rows} == {len(table.header)}
    assert any("harmonic mean" in line for line in summary(report))


MIXED = {
    "VS": [Counts(1, 0, 0, 1)] * 60 + [Counts(0, 1, 1, 0)] * 40,
    "MM": [Counts(2, 1, 3, 0)] * 50,
}


def test_the_same_counts_and_seed_give_the_same_intervals():
    assert score_intervals(MIXED) == score_intervals(MIXED)
    assert score_intervals(MIXED) != score_intervals(MIXED, seed=5)


def test_an_interval_holds_the_score_and_is_as_wide_as_its_records_allow():
    em = score_intervals(MIXED)["VS"].em
    # 1.96 standard errors of 0.6 among 100 are 0.096.
    assert em.low == pytest.approx(0.6 - 0.096, abs=0.02)
    assert em.high == pytest.approx(0.6 + 0.096, abs=0.02)


def test_records_that_are_all_alike_vary_by_nothing():
    found = score_intervals(MIXED)["MM"]
    assert (found.em.low, found.em.high) == (0, 0)
    assert found.f1.low == found.f1.high == 0.5


def test_the_mean_over_categories_has_an_interval_of_its_own():
    found = score_intervals(MIXED)
    assert list(found) == ["ALL", "VS", "MM", MACRO]
    assert found[MACRO].em.low < 0.3 < found[MACRO].em.high < found["VS"].em.low


def test_no_records_have_no_intervals():
    assert score_intervals({}) == {}


def test_answers_of_nothing_to_nothing_have_an_interval():
    assert score_intervals({"VS": [Counts(0, 0, 0, 1)]})["VS"].f1.high == 0
