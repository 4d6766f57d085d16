"""The released test split: read whole, audited as known, and its rooms found."""

import json
import os
from pathlib import Path

import pytest

from rdagent.suites.homebench.data.audit import audit, audit_data, read_shown
from rdagent.suites.homebench.data.files import is_released, read_data
from rdagent.suites.homebench.data.records import count_categories, read_records, write_gold
from rdagent.suites.homebench.prompts import STYLES, render
from rdagent.suites.homebench.retrieval.measures import choose, measure
from rdagent.suites.homebench.retrieval.retrievers import make_retriever
from rdagent.suites.homebench.shots import ORDER, draw_shots

pytestmark = pytest.mark.data

#: Our kinds of faults, and what the list that lies beside the data calls them.
KNOWN_AS = {
    "conflicting_gold": "conflicting_gold",
    "repeated": "repeated_same_gold",
    "method_not_listed": "vacuum_method_not_listed",
    "value_out_of_range": "heating_argument_outside_listed_range",
    "mix_but_all_error": "mix_but_all_error",
    "shot_leak": "fewshot_leak",
}
OTHER = ("train_sample", "valid_sample", "homes_13_59_92_train_and_valid")


@pytest.fixture(scope="module")
def folder(request):

    return Path(os.environ["RDAGENT_TEST_DATA"]) / "homebench"


@pytest.fixture(scope="module")
def data(folder):
    return read_data(folder, ("test",))


@pytest.fixture(scope="module")
def listed(folder):
    return json.loads((folder / "audit.json").read_text("utf-8"))


def test_the_files_are_the_released_ones(folder):
    assert is_released(folder / "test_data.jsonl")
    assert is_released(folder / "home_status_method.jsonl")


def test_all_homes_and_records_are_read(data):
    assert sorted(data.homes) == list(range(100))
    assert count_categories(data.splits["test"]) == {
        "VS": 6187,
        "IS": 6765,
        "VM": 245,
        "IM": 97,
        "MM": 4072,
    }


def test_golds_are_written_back_as_they_were(data):
    for record in data.splits["test"]:
        several = record.type.startswith("multi")
        assert write_gold(record.gold, several=several) == record.output


def test_the_audit_finds_what_is_known_and_nothing_else(folder, data, listed):
    (found,) = audit_data(data, read_shown(folder / "fewshot_upstream.jsonl"))
    assert {kind for kind, ids in found.faults.items() if ids} == set(KNOWN_AS)
    for kind, name in KNOWN_AS.items():
        assert sorted(found.faults[kind]) == sorted(listed[name]), kind
    assert found.usable == 17_366 - 88 - 70 - 2


@pytest.mark.parametrize("name", OTHER)
def test_records_that_would_leak_test_questions_are_found(folder, data, listed, name):
    found = audit(read_records(folder / f"{name}.jsonl"), data.homes, others=data.splits["test"])
    expected = listed["non_test_records_with_home_and_input_in_test"][name]
    assert sorted(found.faults["asked_in_other_split"]) == sorted(expected)
    assert found.faults["id_in_other_split"] == ()


def test_lexical_retrieval_finds_the_rooms_in_a_fifth_of_the_home(data):
    choices = choose(data.splits["test"], data.homes, make_retriever("lexical"), 2)
    found = measure(choices)["ALL"]
    assert found.with_need == 10_319
    assert found.recall >= 0.995
    assert found.full_recall >= 0.995
    assert found.context_share <= 0.20


def test_the_oracle_finds_every_room(data):
    choices = choose(data.splits["test"], data.homes, make_retriever("oracle"), 2)
    assert measure(choices)["ALL"].recall == 1.0


@pytest.mark.parametrize("style", STYLES)
def test_every_home_shows_every_method(data, style):
    first = {record.home_id: record for record in data.splits["test"]}
    for number, home in data.homes.items():
        user = render(first[number], home, mode="zero-shot", style=style).user
        assert all(method.operation in user for method in home.methods)
        assert all(room.name in user for room in home.rooms)


def test_examples_come_from_training_records_and_none_is_asked(folder, data):
    train = read_records(folder / "train_sample.jsonl")
    asked = {(record.home_id, record.input) for record in data.splits["test"]}
    for seed in range(5):
        shots = draw_shots(train, data.homes, count=5, seed=seed, excluded=data.splits["test"])
        assert tuple(shot.record.category for shot in shots) == ORDER
        assert not {(shot.record.home_id, shot.record.input) for shot in shots} & asked
