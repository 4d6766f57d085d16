"""What of a configuration is refused before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rdagent.errors import UsageError
from rdagent.training.keys import check_keys, known_keys

PATH = Path("train.yaml")


def check(**values: Any) -> tuple[str, ...]:
    return check_keys(values, PATH)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("lora_rnak", "lora_rank"),
        ("learning-rate", "learning_rate"),
        ("Cutoff_Len", "cutoff_len"),
        ("per_device_batch_size", "per_device_eval_batch_size or per_device_train_batch_size"),
        ("evaluation_strategy", "eval_strategy"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_names(wrong: str, meant: str) -> None:
    with pytest.raises(UsageError) as refusal:
        check(**{wrong: 1})
    for name in meant.split(" or "):
        assert name in refusal.value.hint


def test_a_key_like_no_other_is_refused_without_a_guess() -> None:
    with pytest.raises(UsageError) as refusal:
        check(zzzz=1)
    assert refusal.value.hint == "Remove it."


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("stage", "stf", "sft"),
        ("finetuning_type", "Lora", "lora"),
        ("template", "qwen-3", "qwen3"),
        ("lr_scheduler_type", "cosin", "cosine"),
        ("optim", "adam", "adamw"),
        ("save_strategy", "step", "steps"),
    ],
)
def test_a_value_outside_a_closed_list_is_refused_with_near_ones(
    key: str, value: str, meant: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        check(**{key: value})
    assert meant in refusal.value.hint


def test_the_word_no_that_became_false_is_explained() -> None:
    with pytest.raises(UsageError, match="which YAML reads as false") as refusal:
        check(save_strategy=False)
    assert '"no"' in refusal.value.hint


@pytest.mark.parametrize("value", ["false", "False", "no", "off", "0", ""])
def test_text_that_says_no_and_would_be_taken_for_yes_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="takes for true"):
        check(bf16=value)


@pytest.mark.parametrize("value", ["true", "True", "yes", True, False, 0, 1, None])
def test_what_means_the_same_to_llama_factory_stays(value: Any) -> None:
    check(plot_loss=value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lora_rank", "sixteen"),
        ("lora_rank", "16"),
        ("learning_rate", "1e-4"),
        ("num_train_epochs", [3]),
        ("max_steps", {"a": 1}),
        ("ppo_epochs", "four"),
        ("bf16", [True]),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(key: str, value: Any) -> None:
    with pytest.raises(UsageError, match=key):
        check(**{key: value})


def test_a_number_as_text_that_no_training_computes_with_stays() -> None:
    check(ppo_epochs="4")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lora_alpha", 1.5),
        ("warmup_steps", 0.1),
        ("save_steps", 0.1),
        ("max_samples", None),
        ("lora_target", ["q_proj"]),
        ("report_to", ["none"]),
        ("resume_from_checkpoint", True),
        ("deepspeed", {"zero_optimization": {"stage": 2}}),
        ("template", None),
        ("debug", ""),
    ],
)
def test_unusual_values_that_work_are_not_refused(key: str, value: Any) -> None:
    assert check(**{key: value}) == ()


def test_a_doubtful_choice_is_a_note_and_no_refusal() -> None:
    (note,) = check(mix_strategy="interleave_undr")
    assert "Did you mean interleave_under" in note


def test_the_list_is_of_the_locked_llama_factory() -> None:
    lock = Path(__file__).parents[3] / "docker" / "train" / "no-deps-cpu.lock"
    assert f"llamafactory=={known_keys().llamafactory}" in lock.read_text()
