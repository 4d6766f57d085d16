"""The average over tasks: what enters it, what is left out and says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.core.feedback import TaskScore
from rdagent.evaluation.metrics import average, metric_kind, table


def score(value: float, *, higher: bool = True, ratio: bool = True) -> TaskScore:
    return TaskScore("acc", None, value, None, 10, higher_is_better=higher, ratio=ratio)


def test_each_task_counts_once() -> None:
    assert average({"a": score(0.2), "b": score(0.6)}).value == pytest.approx(0.4)


def test_a_ratio_of_which_less_is_better_is_turned_round() -> None:
    assert average({"a": score(0.25, higher=False)}).value == 0.75


def test_a_score_that_is_no_ratio_is_left_out_by_name() -> None:
    found = average({"a": score(0.5), "text": score(0.9, higher=False, ratio=False)})
    assert found.value == 0.5
    assert list(found.excluded) == ["text"]


def test_nothing_to_average_gives_none() -> None:
    assert average({"text": score(12.5, ratio=False)}).value is None


def test_no_task_gives_none() -> None:
    assert average({}).value is None


SCORES = st.dictionaries(
    st.text(min_size=1),
    st.builds(
        lambda value, higher, ratio: score(value, higher=higher, ratio=ratio),
        st.floats(0, 1),
        st.booleans(),
        st.booleans(),
    ),
)


@given(SCORES)
def test_the_average_lies_between_zero_and_one(scores: dict[str, TaskScore]) -> None:
    value = average(scores).value
    assert value is None or 0 <= value <= 1 + 1e-9


@given(SCORES)
def test_every_task_is_in_the_average_or_left_out_with_a_reason(
    scores: dict[str, TaskScore],
) -> None:
    found = average(scores)
    assert {*found.included, *found.excluded} == set(scores)
    assert not set(found.included) & set(found.excluded)


@given(SCORES, st.data())
def test_a_better_score_never_lowers_the_average(
    scores: dict[str, TaskScore], data: st.DataObject
) -> None:
    before = average(scores)
    if not before.included:
        return
    task = data.draw(st.sampled_from(before.included))
    old = scores[task]
    better = data.draw(st.floats(old.value, 1) if old.higher_is_better else st.floats(0, old.value))
    changed = {**scores, task: score(better, higher=old.higher_is_better)}
    after = average(changed).value
    assert after is not None
    assert before.value is not None
    assert after >= before.value - 1e-9


def test_an_unknown_metric_is_no_ratio_and_has_no_direction() -> None:
    kind = metric_kind("made_up")
    assert (kind.ratio, kind.higher_is_better) == (False, None)


@pytest.mark.parametrize("name", ["perplexity", "word_perplexity", "bits_per_byte", "brier_score"])
def test_of_a_loss_less_is_better_and_it_is_no_ratio(name: str) -> None:
    kind = metric_kind(name)
    assert (kind.ratio, kind.higher_is_better) == (False, False)


def test_every_ratio_in_the_table_has_a_direction() -> None:
    for name, kind in table()["metrics"].items():
        assert not kind["ratio"] or isinstance(kind["higher_is_better"], bool), name
