"""What vLLM is told: ranks, GPUs, and that greedy is greedy."""

from typing import Any

import pytest

from rdagent.errors import AdapterInvalid, JobFailed
from rdagent.inside.evaluate.vllm_options import (
    concurrency,
    keep_greedy,
    served_rank,
    tensor_parallel,
)


def modify(gen_kwargs: dict[str, Any], **_: Any) -> tuple[dict[str, Any], list[str], int]:
    """Stand in for lm_eval's reading, which drops do_sample and sets no temperature."""
    kept = {key: value for key, value in gen_kwargs.items() if key != "do_sample"}
    return kept, [], 16


@pytest.mark.parametrize("asked", [{}, {"do_sample": False}, {"do_sample": None, "top_p": 0.9}])
def test_greedy_is_said_aloud(asked: dict[str, Any]) -> None:
    assert keep_greedy(modify)(asked)[0]["temperature"] == 0.0


def test_a_temperature_is_kept() -> None:
    assert keep_greedy(modify)({"temperature": 0.7})[0]["temperature"] == 0.7


def test_sampling_without_a_temperature_is_left_to_vllm() -> None:
    assert "temperature" not in keep_greedy(modify)({"do_sample": True})[0]


@pytest.mark.parametrize(("rank", "served"), [(1, 1), (2, 8), (12, 16), (16, 16), (65, 128)])
def test_a_rank_is_rounded_up_to_one_that_is_served(rank: int, served: int) -> None:
    assert served_rank(rank) == served


def test_a_rank_over_the_largest_is_refused() -> None:
    with pytest.raises(AdapterInvalid, match="513"):
        served_rank(513)


@pytest.mark.parametrize(
    ("gpus", "heads", "used"), [(0, 8, 1), (1, 8, 1), (3, 8, 2), (4, 14, 2), (8, 32, 8)]
)
def test_the_number_of_gpus_divides_the_heads(gpus: int, heads: int, used: int) -> None:
    assert tensor_parallel(gpus, {"num_attention_heads": heads}) == used


def test_tensor_parallel_that_is_asked_for_is_not_changed_in_silence() -> None:
    config = {"num_attention_heads": 12}
    assert tensor_parallel(4, config, 4) == 4
    with pytest.raises(JobFailed, match="do not divide") as caught:
        tensor_parallel(8, config, 8)
    assert caught.value.reason == "refused"


@pytest.mark.parametrize(("batch", "expected"), [("4", {"max_num_seqs": 4}), ("auto", {})])
def test_a_batch_size_is_the_number_of_sequences_at_a_time(batch: str, expected: Any) -> None:
    assert concurrency(batch) == expected
