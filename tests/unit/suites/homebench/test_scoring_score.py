"""What counts add up to."""

import pytest

from rdagent.suites.homebench.scoring.categories import category_of, kind_without_size
from rdagent.suites.homebench.scoring.score import (
    Counts,
    Total,
    add,
    balance,
    by_category,
    macro,
    score,
)

GOLD = "'''a.b.c(),error_input,error_input,'''"


@pytest.mark.parametrize(
    ("prediction", "counts"),
    [
        ("{a.b.c(),error_input,error_input}", Counts(3, 0, 0, 1)),
        ("{error_input,error_input,a.b.c()}", Counts(3, 0, 0, 1)),
        ("{error_input,a.b.c()}", Counts(2, 0, 1, 0)),
        ("{error_input,error_input,error_input}", Counts(2, 1, 1, 0)),
        ("{a.b.c(),a.b.c(),error_input,error_input}", Counts(3, 1, 0, 0)),
        ("nothing", Counts(0, 0, 3, 0)),
        (None, Counts(0, 0, 3, 0)),
    ],
)
def test_a_record_is_counted_as_multisets(prediction, counts):
    assert score(prediction, GOLD) == counts


def test_nothing_asked_and_nothing_answered_is_a_match():
    assert score("", "''''''") == Counts(0, 0, 0, 1)
    assert score("{x}", "''''''") == Counts(0, 1, 0, 0)


def test_precision_recall_and_f1_are_of_the_sums():
    total = add([Counts(1, 0, 0, 1), Counts(1, 1, 5, 0)])
    assert total == Total(n=2, hits=1, tp=2, fp=1, fn=5)
    precision, recall = 2 / 3, 2 / 7
    assert (total.em, total.precision, total.recall) == (0.5, precision, recall)
    assert total.f1 == pytest.approx(2 * precision * recall / (precision + recall))


def test_a_score_of_nothing_is_zero():
    assert Total().to_json() == {"n": 0, "em": 0, "precision": 0, "recall": 0, "f1": 0}


def test_all_is_the_sum_of_the_categories_and_every_category_is_there():
    totals = by_category([("VS", Counts(1, 0, 0, 1)), ("MM", Counts(1, 2, 3, 0))])
    assert totals["ALL"] == Total(2, 1, 2, 2, 3)
    assert list(totals) == ["ALL", "VS", "IS", "VM", "IM", "MM"]
    assert totals["IM"] == Total()


def test_the_macro_mean_weighs_categories_and_not_records():
    right, wrong = Counts(1, 0, 0, 1), Counts(0, 1, 1, 0)
    totals = by_category([("IS", right)] * 9 + [("VS", wrong)])
    assert totals["ALL"].em == 0.9
    assert (macro(totals).em, macro(totals).f1) == (0.5, 0.5)
    assert macro(totals).categories == ("VS", "IS")


def test_acting_and_refusing_are_balanced_by_their_harmonic_mean():
    right, wrong = Counts(1, 0, 0, 1), Counts(0, 1, 1, 0)
    totals = by_category(
        [("VS", right), ("VM", wrong), ("VM", wrong), ("VM", wrong), ("IS", right), ("MM", wrong)]
    )
    found = balance(totals)
    assert (found.acting.em, found.refusing.em, found.em) == (0.25, 1.0, 0.4)


def test_refusing_everything_is_out_of_balance():
    totals = by_category([("VS", Counts(0, 1, 1, 0)), ("IS", Counts(1, 0, 0, 1))])
    assert balance(totals).em == 0


def test_where_nothing_had_to_be_refused_there_is_no_balance():
    assert balance(by_category([("VS", Counts(1, 0, 0, 1))])).em is None


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        ("normal", "VS"),
        ("unexist_device", "IS"),
        ("unexist_attribute", "IS"),
        ("multi2_normal", "VM"),
        ("multi10_unexist_device", "IM"),
        ("multi3_unexist_attribute", "IM"),
        ("multi8_mix", "MM"),
        ("mix", None),
        ("multi_many", None),
        ("multi\uff12_mix", None),
        ("", None),
    ],
)
def test_the_type_of_a_record_gives_its_category(kind, category):
    assert category_of(kind) == category


def test_types_are_gathered_over_sizes():
    assert kind_without_size("multi8_mix") == "multi_mix"
    assert kind_without_size("unexist_device") == "unexist_device"
