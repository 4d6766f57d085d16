"""Retrievers without a model: which rooms each chooses, and what they cost."""

import pytest

from rdagent.errors import UsageError
from rdagent.suites.homebench.data.generate import Plan, generate
from rdagent.suites.homebench.prompts import render_rooms
from rdagent.suites.homebench.retrieval.chunks import chunks_of, chunks_of_all
from rdagent.suites.homebench.retrieval.measures import choose, judge, measure
from rdagent.suites.homebench.retrieval.retrievers import (
    WITHOUT_MODEL,
    All,
    Lexical,
    Oracle,
    Random,
    make_retriever,
    needed_rooms,
)
from tests.unit.suites.homebench.made_up import asked, home, records

HOMES = {7: home()}
EVERY_ROOM = ("kitchen", "ding_room", "store_room", "vacuum_robot")


def record(tmp_path, text, output="'''error_input'''", type_="unexist_device"):
    (found,) = records(tmp_path, [asked("a", text, output, type_)])
    return found


@pytest.mark.parametrize(
    ("text", "rooms"),
    [
        ("Turn on the light in the kitchen.", ("kitchen",)),
        ("Open the dining room curtain and turn off the kitchen light.", ("kitchen", "ding_room")),
        ("Turn on the kitchen light and turn it off.", ("kitchen",)),
        ("Turn on the fan.", ("ding_room", "store_room")),
        ("Open the curtain and dim the kitchen light.", ("kitchen", "ding_room")),
        ("Turn on the fan and open the dining room curtain.", ("ding_room",)),
        ("关掉厨房的灯，再拉开窗帘。", ("kitchen", "ding_room")),
        ("Make it nice.", EVERY_ROOM),
    ],
)
def test_lexical_takes_named_rooms_and_else_those_with_the_device(tmp_path, text, rooms):
    assert Lexical().rooms(record(tmp_path, text), home(), 2) == rooms


def test_lexical_takes_so_many_rooms_for_each_clause_and_no_more(tmp_path):
    several = "Turn on the light in the kitchen or the dining room or the store room"
    assert Lexical().rooms(record(tmp_path, several), home(), 2) == ("kitchen", "ding_room")
    assert Lexical().rooms(record(tmp_path, "Turn on the fan."), home(), 1) == ("ding_room",)
    four = "Open the kitchen, open the dining room, open the store room, start the robot."
    assert Lexical().rooms(record(tmp_path, four), home(), 1) == EVERY_ROOM


def test_lexical_never_looks_at_the_gold(tmp_path):
    text = "Turn on the light in the kitchen."
    gold = record(tmp_path, text, "''' ding_room.fan.turn_on()'''", "normal")
    assert Lexical().rooms(gold, home(), 2) == ("kitchen",)


def test_oracle_takes_the_golds_rooms_and_the_named_ones_only_for_refusals(tmp_path):
    text = "Open the dining room curtain, and the store room."
    done = record(tmp_path, text, "''' ding_room.curtain.open()'''", "normal")
    assert Oracle().rooms(done, home(), 1) == ("ding_room",)
    assert Oracle().rooms(record(tmp_path, text), home(), 1) == ("ding_room", "store_room")


def test_random_is_decided_by_its_seed_and_the_record(tmp_path):
    given = records(tmp_path, [asked(f"r{n}", "Go.", "'''error_input'''") for n in range(30)])
    drawn = [Random(1).rooms(each, home(), 2) for each in given]
    assert drawn == [Random(1).rooms(each, home(), 2) for each in given]
    assert drawn != [Random(2).rooms(each, home(), 2) for each in given]
    assert {len(rooms) for rooms in drawn} == {2}
    assert {room for rooms in drawn for room in rooms} == set(EVERY_ROOM)


def test_random_never_takes_more_rooms_than_there_are(tmp_path):
    assert Random().rooms(record(tmp_path, "a, b, c."), home(), 3) == EVERY_ROOM


def test_all_takes_every_room(tmp_path):
    assert All().rooms(record(tmp_path, "Go."), home(), 1) == EVERY_ROOM


def test_retrievers_are_made_by_name():
    assert [make_retriever(name).name for name in WITHOUT_MODEL] == list(WITHOUT_MODEL)
    assert make_retriever("random", 5) == Random(5)
    with pytest.raises(UsageError, match="dense"):
        make_retriever("dense")


def test_a_room_that_the_home_lacks_is_not_needed(tmp_path):
    output = "'''garage.light.turn_on(),vacuum_robot.set_mode(auto),'''"
    assert needed_rooms(record(tmp_path, "Go.", output), home()) == ("vacuum_robot",)


def test_a_chunk_holds_a_rooms_status_and_its_methods():
    chunks = {chunk.room: chunk.text for chunk in chunks_of(home())}
    assert tuple(chunks) == EVERY_ROOM
    assert "state: closed" in chunks["ding_room"]
    assert "ding_room.curtain.set_degree(degree:int);" in chunks["ding_room"]
    assert "kitchen" not in chunks["ding_room"]
    assert [chunk.home_id for chunk in chunks_of_all([home(), home()])] == [7] * 8


def test_a_choice_is_held_against_the_rooms_of_the_gold(tmp_path):
    output = "'''kitchen.light.turn_on(),ding_room.curtain.open(),'''"
    given = record(tmp_path, "Go to the kitchen.", output, "multi2_normal")
    lengths = {"kitchen": 10, "ding_room": 20, "store_room": 30, "vacuum_robot": 40}
    choice = judge(given, home(), ("kitchen", "store_room"), lengths)
    assert (choice.needed, choice.found, choice.named, choice.named_found) == (2, 1, 1, 1)
    assert (choice.context, choice.noise) == (0.4, 0.75)


def test_measures_add_rooms_up_and_average_context(tmp_path):
    given = records(
        tmp_path,
        [
            asked("a", "The kitchen.", "''' kitchen.light.turn_on()'''"),
            asked("b", "The kitchen.", "''' ding_room.fan.turn_on()'''"),
            asked(
                "c",
                "The kitchen and dining room.",
                "'''kitchen.light.turn_on(),ding_room.fan.turn_on(),'''",
                "multi2_normal",
            ),
            asked("d", "The kitchen.", "'''error_input'''", "unexist_device"),
        ],
    )
    choices = choose(given, HOMES, Lexical(), 2)
    found = measure(choices)
    assert list(found) == ["ALL", "VS", "IS", "VM"]
    assert (found["ALL"].n, found["ALL"].with_need) == (4, 3)
    assert found["ALL"].recall == 3 / 4
    assert found["ALL"].full_recall == 2 / 3
    assert found["ALL"].rooms == 5 / 4
    assert (found["IS"].recall, found["IS"].noise, found["IS"].named_recall) == (None, None, 1.0)
    kitchen, dining = (len(render_rooms(home(), (room,))) for room in ("kitchen", "ding_room"))
    whole = sum(len(chunk.text) for chunk in chunks_of(home()))
    shares = [kitchen, kitchen, kitchen + dining, kitchen]
    assert found["ALL"].context_share == pytest.approx(sum(shares) / 4 / whole)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("vocabulary", ["plain", "released"])
def test_lexical_finds_every_room_of_generated_requests(language, vocabulary):
    made = generate(
        Plan(homes=30, records=600, language=language, vocabulary=vocabulary, rooms=(3, 12))
    )
    homes = {each.home.home_id: each.home for each in made.homes}
    given = [record for records in made.splits.values() for record in records]
    found = measure(choose(given, homes, Lexical(), 2))["ALL"]
    assert found.recall == 1.0
    assert found.named_recall == 1.0
    assert found.context_share < 0.5
