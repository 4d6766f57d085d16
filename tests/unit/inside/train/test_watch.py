"""When a training is stopped, and what is kept of its losses."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.errors import JobFailed, RefusedError
from rdagent.inside.train.callback import sample_labels
from rdagent.inside.train.watch import SAMPLED_ROWS, Watch

NAN, INFINITY = math.nan, math.inf


def after(*logs: dict[str, Any], trusts_gradients: bool = True) -> Watch:
    watch = Watch(trusts_gradients=trusts_gradients)
    for step, values in enumerate(logs, start=1):
        watch.log(step, values)
    return watch


@pytest.mark.parametrize(
    "bad", [{"loss": NAN}, {"loss": INFINITY}, {"loss": 1.0, "grad_norm": NAN}]
)
def test_two_bad_logs_in_a_row_stop_the_training(bad: dict[str, Any]) -> None:
    with pytest.raises(JobFailed) as failure:
        after({"loss": 1.0}, bad, bad).stop_if_diverged()
    assert failure.value.reason == "diverged"


def test_one_bad_log_does_not_stop_the_training() -> None:
    assert not after({"loss": 1.0}, {"loss": NAN}).diverged


def test_a_good_log_between_two_bad_ones_starts_anew() -> None:
    assert not after({"loss": NAN}, {"loss": 1.0}, {"loss": NAN}).diverged


def test_a_log_without_a_loss_does_not_count() -> None:
    watch = after({"loss": NAN}, {"eval_loss": 1.0}, {"loss": NAN})
    assert watch.diverged


def test_the_summary_at_the_end_tells_the_last_step() -> None:
    assert after({"loss": 1.0}, {"train_loss": 1.0}).steps == 2


def test_under_loss_scaling_infinite_gradients_are_normal() -> None:
    skipped = {"loss": 1.0, "grad_norm": INFINITY}
    assert not after(skipped, skipped, skipped, trusts_gradients=False).diverged


def test_the_message_says_where_it_began() -> None:
    with pytest.raises(JobFailed, match="from step 2 to step 3"):
        after({"loss": 1.0}, {"loss": NAN}, {"loss": NAN}).stop_if_diverged()


@given(st.lists(st.floats() | st.none() | st.text(max_size=2), max_size=20))
def test_the_history_holds_finite_numbers_only(losses: list[Any]) -> None:
    watch = after(*({"loss": loss, "grad_norm": loss} for loss in losses))
    kept = [value for point in watch.points for value in (point.loss, point.grad_norm)]
    assert all(value is None or math.isfinite(value) for value in kept)


@given(st.lists(st.booleans(), max_size=20))
def test_it_stops_exactly_when_the_last_two_were_bad(bad: list[bool]) -> None:
    watch = after(*({"loss": NAN if is_bad else 1.0} for is_bad in bad))
    assert watch.diverged == (bad[-2:] == [True, True])


def test_the_share_of_learned_tokens_is_counted() -> None:
    watch = Watch()
    watch.examine([[-100, -100, -100, 7], [-100, -100, 8, 9]])
    assert watch.supervised_share == 3 / 8


def test_data_that_teaches_nothing_is_refused() -> None:
    with pytest.raises(RefusedError, match="cutoff_len"):
        Watch().examine([[-100, -100]])


def test_data_without_labels_passes() -> None:
    Watch().examine([])


class Loader:
    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset


def test_a_sample_is_spread_over_the_whole_data_set() -> None:
    rows = [{"labels": [number]} for number in range(10 * SAMPLED_ROWS)]
    assert sample_labels(Loader(rows))[-1] == [10 * SAMPLED_ROWS - 10]


def test_a_streamed_data_set_is_not_read() -> None:
    assert sample_labels(Loader(iter([{"labels": [1]}]))) == []


def test_rows_without_labels_give_none() -> None:
    assert sample_labels(Loader([{"chosen": [1]}])) == []
