"""One score per task: the table, the order of preference, groups and what is missing."""

from pathlib import Path
from typing import Any

import pytest

from rdagent.core.feedback import TaskScore
from rdagent.evaluation.catalogue import built_in
from rdagent.evaluation.metrics import average, table
from rdagent.evaluation.primary import candidates, primary_scores
from rdagent.evaluation.results import parse_results, read_results, split_key

GOLDEN = Path(__file__).parents[2] / "golden" / "lm_eval"


def scores_of(results: dict[str, Any], *requested: str, **sections: Any) -> dict[str, TaskScore]:
    document = parse_results({"results": results, **sections})
    return dict(primary_scores(document, requested).scores)


def test_the_table_decides_between_two_filters() -> None:
    found = primary_scores(read_results(GOLDEN / "bare.json"), ["gsm8k"])
    assert (found.scores["gsm8k"].filter, found.scores["gsm8k"].value) == (
        "flexible-extract",
        0.6875,
    )


def test_the_order_in_the_file_does_not_matter() -> None:
    entry = {"acc,none": 0.3, "acc_norm,none": 0.4}
    turned = dict(reversed(entry.items()))
    assert scores_of({"hellaswag": entry}, "hellaswag") == scores_of(
        {"hellaswag": turned}, "hellaswag"
    )


def test_a_task_in_the_table_needs_no_note() -> None:
    assert primary_scores(read_results(GOLDEN / "bare.json"), ["gsm8k", "mmlu"]).notes == ()


def test_a_task_outside_the_table_says_what_was_taken() -> None:
    document = parse_results({"results": {"mine": {"acc,none": 0.5, "f1,none": 0.4}}})
    (note,) = primary_scores(document, ["mine"]).notes
    assert note == "mine: no primary metric is known for it; acc was taken"


def test_a_task_with_one_metric_needs_no_note() -> None:
    document = parse_results({"results": {"mine": {"acc,none": 0.5}}})
    assert primary_scores(document, ["mine"]).notes == ()


def test_outside_the_table_exact_match_goes_before_accuracy() -> None:
    entry = {"acc,none": 0.1, "exact_match,my-filter": 0.2}
    assert scores_of({"mine": entry}, "mine")["mine"].metric == "exact_match"


def test_an_unknown_metric_is_taken_when_there_is_no_other() -> None:
    score = scores_of({"mine": {"wonder,none": 0.5}}, "mine")["mine"]
    assert (score.metric, score.ratio) == ("wonder", False)


def test_a_perplexity_is_better_when_lower_and_never_a_ratio() -> None:
    score = scores_of({"wikitext": {"word_perplexity,none": 0.9}}, "wikitext")["wikitext"]
    assert (score.higher_is_better, score.ratio) == (False, False)


def test_the_direction_in_the_file_wins_over_the_table() -> None:
    found = scores_of(
        {"mine": {"acc,none": 0.9}}, "mine", higher_is_better={"mine": {"acc": False}}
    )
    assert not found["mine"].higher_is_better


def test_a_ratio_above_one_is_shown_as_it_is() -> None:
    score = scores_of({"squadv2": {"f1,none": 71.5}}, "squadv2")["squadv2"]
    assert (score.value, score.ratio) == (71.5, False)


def test_a_requested_task_without_results_is_missing() -> None:
    found = primary_scores(read_results(GOLDEN / "bare.json"), ["gsm8k", "hellaswag"])
    assert found.missing == ("hellaswag",)


def test_a_score_that_is_no_number_is_missing() -> None:
    document = parse_results({"results": {"gsm8k": {"exact_match,flexible-extract": None}}})
    assert primary_scores(document, ["gsm8k"]).missing == ("gsm8k",)


def test_tasks_that_nobody_asked_for_are_not_scored() -> None:
    assert set(scores_of({"a": {"acc": 1}, "b": {"acc": 0}}, "a")) == {"a"}


@pytest.mark.parametrize("version", ["0.4.9.1", "0.4.13"])
def test_a_group_gives_its_own_score_and_not_its_members(version: str) -> None:
    document = read_results(GOLDEN / f"{version}.json")
    found = primary_scores(document, ["fixture_scored"])
    assert list(found.scores) == ["fixture_scored"]


@pytest.mark.parametrize("version", ["0.4.9.1", "0.4.13"])
def test_a_group_stands_on_the_documents_of_its_tasks(version: str) -> None:
    document = read_results(GOLDEN / f"{version}.json")
    assert primary_scores(document, ["fixture_scored"]).scores["fixture_scored"].n == 16


@pytest.mark.parametrize("version", ["0.4.9.1", "0.4.13"])
def test_a_group_without_a_score_gives_its_members_scores_and_says_so(version: str) -> None:
    found = primary_scores(read_results(GOLDEN / f"{version}.json"), ["fixture_bare"])
    assert set(found.scores) == {"fixture_text_a", "fixture_text_b"}
    assert any("has no score of its own" in note for note in found.notes)


def test_a_group_and_its_members_are_never_averaged_together() -> None:
    document = parse_results(
        {
            "results": {
                "mmlu": {"acc,none": 0.5},
                "mmlu_stem": {"acc,none": 0.1},
                "mmlu_astronomy": {"acc,none": 0.0},
            },
            "group_subtasks": {"mmlu": ["mmlu_stem"], "mmlu_stem": ["mmlu_astronomy"]},
        }
    )
    found = average(primary_scores(document, ["mmlu"]).scores)
    assert (found.value, found.included) == (0.5, ("mmlu",))


def test_every_task_named_in_the_table_exists() -> None:
    assert not [name for name in table()["tasks"] if name not in built_in()]


def test_every_pattern_in_the_table_matches_a_task() -> None:
    from fnmatch import fnmatchcase

    from rdagent.suites.listed import HOMEBENCH

    known = [*built_in(), *HOMEBENCH]
    for pattern in table()["patterns"]:
        assert any(fnmatchcase(name, pattern) for name in known), pattern


def test_every_metric_named_in_the_table_is_described() -> None:
    listed = [*table()["tasks"].values(), *table()["patterns"].values(), table()["preference"]]
    named = {split_key(key)[0] for keys in listed for key in keys}
    assert named <= set(table()["metrics"])


def test_a_name_goes_before_a_pattern() -> None:
    assert candidates("mmlu_pro") == ["exact_match,custom-extract", "acc"]
    assert candidates("mmlu_anatomy") == ["acc", "exact_match"]


def test_a_metric_that_was_chosen_goes_before_the_table() -> None:
    document = read_results(GOLDEN / "bare.json")
    chosen = {"gsm8k": "exact_match,strict-match"}
    found = primary_scores(document, ["gsm8k", "mmlu"], chosen)
    assert (found.scores["gsm8k"].filter, found.notes) == ("strict-match", ())


def test_a_chosen_metric_that_the_results_lack_is_said() -> None:
    document = parse_results({"results": {"mine": {"acc,none": 0.5, "f1,none": 0.4}}})
    found = primary_scores(document, ["mine"], {"mine": "wonder,here"})
    assert found.scores["mine"].metric == "acc"
    (note,) = found.notes
    assert note == (
        "mine: wonder,here, which was asked for, is not among its metrics; acc was taken"
    )
