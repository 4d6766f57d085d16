"""A run that stops when decided covers exactly the decided documents, whatever comes between.

Real lm_eval; a script or the demo's model answers.  The facts are found in ``stops`` and
``stops_killed``.
"""

import json

import pytest

pytestmark = [pytest.mark.environments, pytest.mark.timeout(1500)]


def test_it_stops_at_the_document_that_decides_and_scores_exactly_those_until_there(inside):
    found = inside["decided"]
    assert found["reasons"] == ["ok", "ok"]
    assert 8 <= len(found["expected"]) < 40
    assert found["documents"] == {"base": found["expected"], "better": found["expected"]}


def test_counts_plan_prompts_and_rates_are_those_of_the_decided_documents(inside):
    found, count = inside["decided"], len(inside["decided"]["expected"])
    assert found["n-samples"] == [{"original": 200, "effective": count}] * 2
    assert found["planned"] == {"eq_many": found["expected"]}
    assert found["asked in the plan"] == found["requests in the plan"] == count
    assert found["prompts"] == found["rates"] == count
    progress = json.loads(found["progress"])
    assert progress["done"] == progress["total"] == count


def test_a_decided_document_has_the_record_that_it_has_when_all_are_scored(inside):
    assert inside["decided"]["not as in all"] == []
    stopped, whole = inside["decided"]["digests"]
    assert stopped == whole, "it is the same plan"


def test_results_say_that_and_why_they_stop(inside):
    found, count = inside["decided"], len(inside["decided"]["expected"])
    assert found["config"] == [found["variant"]] * 2
    task = found["variant"]["tasks"]["eq_many"]
    verdict = task["adapters"]["better"]
    assert (found["variant"]["stopped"], task["stopped"]) == (True, True)
    assert (task["answered"], task["planned"], task["metric"]) == (count, 200, "exact_match")
    assert (verdict["decision"], verdict["decided_at"], verdict["b"]) == ("improved", count, 0)
    assert verdict["c"] == 8
    assert verdict["e"] == pytest.approx(2**8 / 9)
    assert verdict["p"] == pytest.approx(9 / 2**8)


def test_a_later_run_of_everything_asks_only_the_rest_and_comes_to_the_same(inside):
    found = inside["decided"]
    assert found["later reasons"] == ["ok", "ok", "ok"]
    assert found["reused"] == list(found["answers"].values())
    assert max(found["answers"].values()) < 40
    assert found["later"] == []


def test_where_all_answers_are_known_it_stops_at_the_same_document_and_asks_nobody(inside):
    assert inside["decided"]["again"] == []


def test_beside_a_base_whose_answers_are_known_only_the_adapter_is_asked(inside):
    found = inside["decided"]
    assert found["base known"] == []
    assert found["asked beside a known base"] == found["answers"]["better"]


def test_models_that_are_equal_are_asked_everything_and_scored_as_ever(inside):
    found = inside["undecided"]
    assert (found["reasons"], found["differences"]) == (["ok", "ok"], [])
    task = found["said"]["tasks"]["eq_many"]
    assert (found["said"]["stopped"], task["answered"]) == (False, 200)
    assert task["adapters"]["other"]["decision"] is None


def test_it_goes_on_until_each_adapter_is_decided_at_its_share_of_the_level(inside):
    found = inside["several"]
    assert found["reasons"] == ["ok", "ok"]
    assert found["said"]["comparisons"] == 9, "three tasks or groups, three adapters"
    assert found["documents"]["eq_many"] == [found["expected"]] * 4
    adapters = found["said"]["tasks"]["eq_many"]["adapters"]
    decisions = {name: verdict["decision"] for name, verdict in adapters.items()}
    assert decisions == {"better": "improved", "worse": "regressed", "slightly": "improved"}
    at = [verdict["decided_at"] for verdict in adapters.values()]
    assert max(at) == found["said"]["tasks"]["eq_many"]["answered"] > min(at)
    alone = found["alone"]["adapters"]["worse"]["decided_at"]
    assert alone < adapters["worse"]["decided_at"], "alone it has the whole level"


def test_a_group_is_decided_on_as_one_and_none_of_its_tasks_is_left_without_a_document(inside):
    found = inside["several"]
    task = found["said"]["tasks"]["eq_many_group"]
    more, few = found["documents"]["eq_many_more"][0], found["documents"]["eq_many_few"][0]
    assert task["stopped"]
    assert len(few) >= 1
    assert len(more) + len(few) == task["answered"] == found["group"]


def test_every_model_is_scored_on_the_same_documents_and_says_the_same(inside):
    found = inside["several"]
    assert found["the same said"] == 1
    for documents in found["documents"].values():
        assert documents == [documents[0]] * 4


def test_a_task_that_is_graded_is_answered_in_full_and_says_why(inside):
    found = inside["several"]
    task = found["said"]["tasks"]["eq_many_graded"]
    assert (task["stopped"], task["answered"], task["adapters"]) == (False, 200, {})
    assert task["why_not"].startswith("share of an item is 0.")


def test_answering_in_turns_is_answering_one_after_the_other(inside):
    """Real models and adapters, drawn answers among the requests."""
    found = inside["on a model"]
    assert (found["reasons"], found["differences"]) == (["ok", "ok"], [])
    assert {task["stopped"] for task in found["said"].values()} == {False}
    assert found["said"]["eq_letters"]["adapters"]["first"]["c"] > 0, "they answer otherwise"


def test_an_adapter_that_fits_nothing_leaves_the_others_in_the_comparison(inside):
    found = inside["failing"]
    assert (found["reason"], found["scored"]) == ("adapter_invalid", ["base", "first"])
    assert list(found["said"]) == ["first"]


def test_a_base_that_nobody_is_left_to_be_compared_with_has_no_result(inside):
    assert inside["failing"]["nobody"] == ["adapter_invalid", 0]


def test_items_that_are_scored_otherwise_in_the_end_give_no_number(inside):
    reason, message, results = inside["failing"]["thrown"]
    assert (reason, results) == ("command_failed", 0)
    assert "scored otherwise than when it was decided" in message


def test_what_was_cut_off_anywhere_is_made_up_for_and_decided_the_same(inside):
    found = inside["interrupted"]
    assert (found["reason"], found["differences"]) == ("ok", [])
    assert max(found["resumed"]) > 0
    model = inside["on a model"]["gone on"]
    assert model["differences"] == []
    assert model["resumed"] > 0


def test_kills_at_random_moments_change_neither_the_decision_nor_a_byte(stopping):
    assert stopping["differences"] == []
    assert stopping["kills"] >= 15
    assert stopping["resumed"] > 0, "no run went on from what another one had answered"
    tasks = stopping["said"]["tasks"]
    assert {name: task["stopped"] for name, task in tasks.items()} == {
        "eq_many": True,
        "eq_many_group": True,
        "eq_many_graded": False,
    }
