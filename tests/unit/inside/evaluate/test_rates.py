"""Failures of answers are counted by task, whatever the score."""

from types import SimpleNamespace

from rdagent.inside.evaluate.rates import failure_rates
from rdagent.records.ledger import Answer, Ledger, Output
from rdagent.records.plan import Occurrence, Request


def answer(key, text, finish="stop", **change):
    return Answer(key, 0, "generate", (Output(text, finish),), **change)


def rates(answers, rows=(), occurrences=None):
    ledger = Ledger()
    for one in answers:
        ledger.add(one)
    requests = tuple(Request(one.kind, one.key, 0, ("p", {}), 0) for one in answers)
    places = occurrences or tuple(Occurrence(n, "t", n, 0) for n in range(len(answers)))
    planned = SimpleNamespace(plan=SimpleNamespace(occurrences=places), requests=requests)
    return failure_rates(planned, ledger, {"samples": {"t": list(rows)}})


def row(doc_id, name, found, right):
    return {
        "doc_id": doc_id,
        "filter": name,
        "filtered_resps": [found],
        "metrics": ["exact_match"],
        "exact_match": right,
    }


def test_cut_empty_and_cut_prompts_are_counted():
    found = rates(
        [answer("a", "x", "length"), answer("b", " \n"), answer("c", "y", truncated=True)]
    )["t"]
    assert found == {"answers": 3, "cut_at_length": 1, "empty": 1, "prompt_cut": 1}


def test_an_answer_that_several_documents_share_counts_for_each():
    shared = (Occurrence(0, "t", 0, 0), Occurrence(0, "t", 1, 0), Occurrence(-1, "t", 2, 0))
    assert rates([answer("a", "", "length")], occurrences=shared)["t"]["empty"] == 2


def test_likelihoods_have_no_such_rates():
    ledger_only = [Answer("a", 0, "loglikelihood", value=(-1.0, True))]
    assert rates(ledger_only) == {}


def test_filters_that_find_nothing_are_counted_by_name():
    rows = [row(0, "strict-match", "[invalid]", 0), row(1, "strict-match", "7", 1)]
    found = rates([answer("a", "x"), answer("b", "7")], rows)["t"]
    assert found["nothing_extracted"] == {"strict-match": 1}


def test_the_filter_none_extracts_nothing_and_is_not_counted():
    found = rates([answer("a", "")], [row(0, "none", "", 0)])["t"]
    assert "nothing_extracted" not in found


def test_right_in_content_and_wrong_in_form_is_counted():
    rows = [
        row(0, "strict-match", "[invalid]", 0),
        row(0, "flexible-extract", "7", 1),
        row(1, "strict-match", "7", 1),
        row(1, "flexible-extract", "7", 1),
        row(2, "strict-match", "[invalid]", 0),
        row(2, "flexible-extract", "8", 0),
    ]
    found = rates([answer("a", "7"), answer("b", "7"), answer("c", "8")], rows)["t"]
    assert found["right_only_when_read_flexibly"] == 1
