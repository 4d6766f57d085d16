"""An adapter that says what its base says is told to be one."""

from rdagent.inside.evaluate.effect import effect_notes, likeness_notes
from rdagent.records.ledger import Answer, Ledger, Output
from rdagent.records.plan import Request

GREEDY = {"do_sample": False}


def ledger(*texts):
    found = Ledger()
    for number, text in enumerate(texts):
        found.add(Answer(f"k{number}", 0, "generate", (Output(text),)))
    return found


def requests(count, told=GREEDY):
    return [Request("generate", f"k{number}", 0, ("p", told), 0) for number in range(count)]


def test_texts_that_are_all_the_bases_are_told():
    (note,) = likeness_notes(requests(2), ledger("a", "b"), ledger("a", "b"))
    assert "all 2 greedy answers" in note


def test_one_other_text_is_an_effect():
    assert likeness_notes(requests(2), ledger("a", "b"), ledger("a", "c")) == ()


def test_where_an_answer_is_missing_nothing_is_said():
    assert likeness_notes(requests(2), ledger("a"), ledger("a", "b")) == ()
    assert likeness_notes(requests(2), ledger("a", "b"), ledger("a")) == ()


def test_drawn_answers_and_likelihoods_prove_nothing():
    assert likeness_notes(requests(1, {"do_sample": True}), ledger("a"), ledger("a")) == ()
    scored = [Request("loglikelihood", "k0", 0, ("p", " a"), 0)]
    assert likeness_notes(scored, ledger("a"), ledger("a")) == ()


def test_a_probe_without_any_change_is_told_and_a_small_change_is_not():
    assert effect_notes(0.0)
    assert effect_notes(1e-9) == ()
