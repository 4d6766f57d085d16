"""The fingerprint of the rows that are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.inside.train import fingerprint as module
from rdagent.inside.train import preflight
from rdagent.inside.train.fingerprint import (
    SHARED,
    Exchange,
    Fingerprint,
    Tally,
    exchanges,
    fingerprint,
)
from rdagent.records.grams import GRAM, gram_hashes, text_hash, tokens_of
from rdagent.records.trained_on import TrainedOn


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def row(question: str, *answers: str, system: str = "") -> dict[str, Any]:
    return {
        "_prompt": [said("user", question)],
        "_response": [said("assistant", answer) for answer in answers],
        "_system": system,
        "_tools": "",
        "_images": None,
    }


def made(*rows: dict[str, Any]) -> TrainedOn:
    found = fingerprint(rows)
    assert found is not None
    return found


def knows(found: TrainedOn, text: str) -> bool:
    return text_hash(tokens_of(text)) in found.texts


def knows_all_grams(found: TrainedOn, text: str) -> bool:
    grams = gram_hashes(tokens_of(text))
    assert grams
    return all(gram in found.grams for gram in grams)


def numbered(first: int, count: int = GRAM) -> str:
    """Return words that no other row has."""
    return " ".join(f"w{number}" for number in range(first, first + count))


def test_a_question_is_known_alone_and_with_its_answer() -> None:
    found = made(row("How are you?", "Fine."))
    assert knows(found, "how are you")
    assert knows(found, "How are you? Fine.")
    assert not knows(found, "Fine.")


def test_a_question_is_known_without_and_with_what_the_system_says() -> None:
    found = made(row("How are you?", "Fine.", system="Be brief."))
    assert knows(found, "How are you?")
    assert knows(found, "Be brief. How are you?")


def test_both_answers_of_a_pair_are_known() -> None:
    found = made(row("How are you?", "Fine.", "Bad."))
    assert knows(found, "How are you? Fine.")
    assert knows(found, "How are you? Bad.")


def test_an_empty_half_of_a_pair_is_no_answer() -> None:
    (exchange,) = exchanges(row("How are you?", "", "Bad."))
    assert exchange.answers == ("Bad.",)


def test_each_question_of_a_conversation_is_known_with_its_own_answer() -> None:
    conversation = {
        **row("ignored", "last answer", system="system"),
        "_prompt": [
            said("user", "first"),
            said("assistant", "first answer"),
            said("user", "second"),
        ],
    }
    assert list(exchanges(conversation)) == [
        Exchange("system", "first", ("first answer",)),
        Exchange("", "second", ("last answer",)),
    ]


def test_what_a_tool_returns_is_asked_and_what_it_is_called_with_is_learned() -> None:
    conversation = {
        **row("ignored", "It rains."),
        "_prompt": [
            said("user", "weather"),
            said("function", "call"),
            said("observation", "rain"),
        ],
    }
    assert list(exchanges(conversation)) == [
        Exchange("", "weather", ("call",)),
        Exchange("", "rain", ("It rains.",)),
    ]


def test_a_text_without_an_answer_is_known() -> None:
    assert knows_all_grams(made(row(numbered(0, 20))), numbered(0, 20))


def test_grams_run_from_the_question_into_the_answer() -> None:
    found = made(row(numbered(0, 8), numbered(8, 8)))
    assert knows_all_grams(found, numbered(0, 16))


def test_rows_that_were_tokenized_before_have_no_fingerprint() -> None:
    assert fingerprint([{"input_ids": [1, 2], "labels": [1, 2]}]) is None


def test_grams_of_many_questions_are_left_out() -> None:
    instruction = numbered(0, 30)
    rows = [row(f"{instruction} {numbered(1000 + 20 * n, 20)}") for n in range(SHARED + 1)]
    found = made(*rows)
    assert not any(gram in found.grams for gram in gram_hashes(instruction.split()))
    assert knows_all_grams(found, numbered(1000, 20))
    assert knows_all_grams(made(*rows[:-1]), instruction)


def test_many_answers_to_one_question_do_not_make_it_an_instruction() -> None:
    question = numbered(0, 30)
    assert knows_all_grams(made(*(row(question, f"a{n}") for n in range(100))), question)


def test_what_the_system_says_to_many_is_left_out_and_the_questions_stay() -> None:
    system = numbered(0, 30)
    rows = [row(numbered(1000 + 20 * n, 20), system=system) for n in range(3 * SHARED)]
    found = made(*rows)
    assert not any(gram in found.grams for gram in gram_hashes(system.split()))
    assert all(knows_all_grams(found, numbered(1000 + 20 * n, 20)) for n in range(len(rows)))
    # The run from the system's last words into a question is hashed in every row.
    assert knows_all_grams(found, f"{numbered(18, 12)} {numbered(1000 + 20 * 40, 20)}")


def test_what_the_system_says_to_many_is_not_hashed_for_each_of_them() -> None:
    found = Fingerprint()
    for number in range(10 * SHARED):
        found.take(row(f"question {number}", system=numbered(0, 1000)))
    assert found.tokens < 2 * SHARED * 1000


def test_all_rows_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_LIMIT", 2)
    whole, part = made(*[row("a"), row("b")]), made(*[row("a"), row("b"), row("c")])
    assert (whole.rows, whole.complete) == (2, True)
    assert (part.rows, part.complete) == (2, False)


def test_rows_are_taken_up_to_a_number_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOKENS_LIMIT", 10)
    found = made(*(row("four words of question") for _ in range(9)))
    assert (found.rows, found.complete) == (3, False)


@given(st.lists(st.integers(0, 2**64 - 1)), st.integers(1, 20))
def test_a_full_tally_keeps_just_the_hashes_that_its_power_of_two_divides(
    numbers: list[int], limit: int
) -> None:
    tally = Tally(limit)
    for number in numbers:
        tally.add([number])
    kept = tally.at_most(float("inf"))
    assert len(kept.hashes) <= limit
    assert list(kept.hashes) == sorted({n for n in numbers if kept.samples(n)})


def test_a_hash_that_comes_again_is_kept_and_not_counted() -> None:
    tally = Tally()
    tally.add([1])
    tally.add([1, 2], again=True)
    assert tally.counts == {1: 1, 2: 1}


def loaded(*, max_steps: int = -1, packing: bool = False) -> Any:
    training = SimpleNamespace(
        max_steps=max_steps, per_device_train_batch_size=2, gradient_accumulation_steps=3
    )
    return SimpleNamespace(training=training, data=SimpleNamespace(packing=packing))


def stream(count: int) -> Iterator[dict[str, Any]]:
    return (row(f"question {number}") for number in range(count))


@pytest.mark.parametrize(
    ("options", "rows"), [({"max_steps": 4}, 24), ({"max_steps": 4, "packing": True}, 90), ({}, 90)]
)
def test_of_a_stream_the_rows_that_the_steps_take_are_known(
    options: dict[str, Any], rows: int
) -> None:
    found = preflight._fingerprint(loaded(**options), stream(90))
    assert found is not None
    assert (found.rows, found.complete) == (rows, True)


def test_all_rows_of_a_data_set_are_known_however_few_the_steps() -> None:
    found = preflight._fingerprint(loaded(max_steps=1), list(stream(90)))
    assert found is not None
    assert found.rows == 90


def test_rows_that_cannot_be_read_end_no_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert preflight._fingerprint(loaded(), [{"_prompt": [{}]}]) is None
    assert "what is trained on is not kept: KeyError" in capsys.readouterr().err
