"""Text as overlap sees it: tokens, and hashes of texts and of token runs."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from rdagent.records.grams import GRAM, gram_hashes, text_hash, tokens_of

words = st.lists(st.sampled_from(["red", "green", "blue", "one", "two"]), max_size=40)


def test_case_punctuation_and_layout_do_not_count() -> None:
    assert tokens_of("  What,\n is “2x”?\t(Say!)") == ["what", "is", "2x", "say"]


def test_a_sharp_s_and_its_capital_are_alike() -> None:
    assert tokens_of("Straße") == tokens_of("STRASSE")


def test_wide_letters_and_ligatures_are_their_plain_ones() -> None:
    assert tokens_of("\uff34\uff48\uff45 ﬁrst ①") == ["the", "first", "1"]


def test_composed_and_decomposed_letters_are_alike() -> None:
    assert tokens_of(unicodedata.normalize("NFD", "Crème brûlée")) == ["crème", "brûlée"]


def test_invisible_characters_are_not_there() -> None:
    assert tokens_of("sof\u00adt zero\u200bwidth \ufeffmark heart\ufe0f") == [
        "soft",
        "zerowidth",
        "mark",
        "heart",
    ]


def test_characters_of_scripts_without_spaces_are_tokens() -> None:
    assert tokens_of("打开客厅的light 3号。") == ["打", "开", "客", "厅", "的", "light", "3", "号"]


def test_scripts_with_spaces_keep_their_words_and_vowel_signs() -> None:
    assert tokens_of("हिन्दी भाषा, 한국어 문장") == ["हिन्दी", "भाषा", "한국어", "문장"]


def test_half_a_surrogate_pair_is_no_error() -> None:
    assert text_hash(tokens_of("a \ud800 b")) == text_hash(["a", "b"])


@given(st.text())
def test_normalised_text_stays_as_it_is(text: str) -> None:
    once = tokens_of(text)
    assert tokens_of(" ".join(once)) == once


@given(words)
def test_there_is_a_gram_for_each_run_of_thirteen_tokens(tokens: list[str]) -> None:
    assert len(gram_hashes(tokens)) == max(0, len(tokens) - GRAM + 1)


@given(words, words, words)
def test_a_gram_does_not_depend_on_what_stands_around_it(
    before: list[str], tokens: list[str], after: list[str]
) -> None:
    start, alone = len(before), gram_hashes(tokens)
    assert gram_hashes([*before, *tokens, *after])[start : start + len(alone)] == alone


@given(words, words)
def test_different_runs_have_different_hashes(one: list[str], other: list[str]) -> None:
    one, other = (one * GRAM)[:GRAM], (other * GRAM)[:GRAM]
    assert (gram_hashes(one) == gram_hashes(other)) == (one == other)


def test_hashes_are_the_same_in_every_process_and_version() -> None:
    # Adapters keep them: another value here makes all earlier records useless.
    assert text_hash(["turn", "on", "the", "light"]) == 5576056901511566340
    assert gram_hashes([str(number) for number in range(GRAM)]) == [4019732188176443368]
