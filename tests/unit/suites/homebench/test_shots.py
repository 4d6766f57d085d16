"""Examples: from training records only, with a seed, in the paper's order."""

import random
from dataclasses import replace

import pytest

from rdagent.errors import UsageError
from rdagent.suites.homebench.data.generate import Plan, generate
from rdagent.suites.homebench.retrieval.retrievers import needed_rooms
from rdagent.suites.homebench.shots import MOST_PARTS, ORDER, draw_shots
from tests.unit.suites.homebench.made_up import RECORDS, asked, home, records

MADE = generate(Plan(homes=20, records=400, operations=(2, 6)))
HOMES = {made.home.home_id: made.home for made in MADE.homes}
TRAIN, TEST = MADE.splits["train"], MADE.splits["test"]


def ids(shots):
    return [shot.record.id for shot in shots]


def test_examples_are_one_of_each_category_in_the_papers_order():
    assert ORDER == ("VS", "IS", "VM", "MM", "IM")
    for count in range(1, 6):
        shots = draw_shots(TRAIN, HOMES, count=count)
        assert tuple(shot.record.category for shot in shots) == ORDER[:count]


def test_fewer_examples_are_the_first_of_more():
    all_five = ids(draw_shots(TRAIN, HOMES, count=5, seed=3))
    for count in range(1, 5):
        assert ids(draw_shots(TRAIN, HOMES, count=count, seed=3)) == all_five[:count]


def test_the_seed_decides_and_the_order_of_the_records_does_not():
    shuffled = random.Random(0).sample(TRAIN, len(TRAIN))
    drawn = [ids(draw_shots(TRAIN, HOMES, count=5, seed=seed)) for seed in range(6)]
    assert drawn == [ids(draw_shots(shuffled, HOMES, count=5, seed=seed)) for seed in range(6)]
    assert len({tuple(each) for each in drawn}) > 1


def test_an_example_shows_the_rooms_that_it_needs():
    for seed in range(10):
        for shot in draw_shots(TRAIN, HOMES, count=5, seed=seed):
            assert set(needed_rooms(shot.record, shot.home)) <= set(shot.rooms)
            assert shot.rooms
            assert len(shot.record.gold) <= MOST_PARTS


def test_nothing_that_will_be_asked_is_an_example(tmp_path):
    given = records(
        tmp_path,
        [
            RECORDS[0],
            {**RECORDS[0], "id": "same question"},
            asked("other", "Turn the kitchen light on.", "''' kitchen.light.turn_on()'''"),
        ],
    )
    (shot,) = draw_shots(given, {7: home()}, count=1, excluded=given[:1])
    assert shot.record.id == "other"
    (shot,) = draw_shots(given[1:], {7: home()}, count=1, excluded=[replace(given[2], input="")])
    assert shot.record.id == "same question"
    with pytest.raises(UsageError, match="no training record of category VS"):
        draw_shots(given[:2], {7: home()}, count=1, excluded=given[:1])


def test_a_category_without_a_short_record_is_shown_its_shortest(tmp_path):
    gold = ["kitchen.light.turn_on()"] * 5
    given = records(
        tmp_path,
        [
            RECORDS[0],
            RECORDS[1],
            asked("five", "Light, light!", f"'''{','.join(gold)},'''", "multi5_normal"),
            asked("six", "Light, light!!", f"'''{','.join([*gold, gold[0]])},'''", "multi6_normal"),
        ],
    )
    assert ids(draw_shots(given, {7: home()}, count=3))[2] == "five"


def test_a_record_that_shows_no_room_is_no_example(tmp_path):
    given = records(tmp_path, [asked("a", "Go.", "''' garage.light.turn_on()'''"), RECORDS[0]])
    assert ids(draw_shots(given, {7: home()}, count=1)) == ["home7_one_0"]


@pytest.mark.parametrize("count", [0, 6, -1])
def test_there_are_one_to_five_examples(count):
    with pytest.raises(UsageError, match="from 1 to 5"):
        draw_shots(TRAIN, HOMES, count=count)


def test_generated_test_homes_are_strangers_to_every_example():
    assert not {shot.home.home_id for shot in draw_shots(TRAIN, HOMES, count=5)} & {
        record.home_id for record in TEST
    }
