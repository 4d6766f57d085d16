"""Clauses and names: what a request asks for one after the other, and which rooms it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.suites.homebench.data.words import DEVICES, ROOMS
from rdagent.suites.homebench.retrieval.clauses import split_clauses
from rdagent.suites.homebench.retrieval.naming import named_devices, named_rooms
from tests.unit.suites.homebench.made_up import home, home_document


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("Turn on the light.", ("Turn on the light",)),
        ("Open the blinds and close the door.", ("Open the blinds", "close the door")),
        ("Turn on the light and the fan.", ("Turn on the light and the fan",)),
        ("Open it, set it to 5, and then pack up.", ("Open it", "set it to 5", "pack up")),
        ("Set it to 0.5; pause it. Stop it!", ("Set it to 0.5", "pause it", "Stop it")),
        ("打开厨房的灯，关掉风扇，再拉开窗帘。", ("打开厨房的灯", "关掉风扇", "拉开窗帘")),
        ("打开灯然后关掉风扇", ("打开灯", "关掉风扇")),
        ("Open the blinds，并 close the door。", ("Open the blinds", "close the door")),
        ("...", ("...",)),
    ],
)
def test_an_instruction_is_taken_apart_into_what_it_asks_for(text, clauses):
    assert split_clauses(text) == clauses


@given(st.text(max_size=60))
def test_taking_apart_never_loses_a_word(text):
    told = "".join(split_clauses(text))
    assert split_clauses(text)
    assert sum(map(str.isdigit, told)) == sum(map(str.isdigit, text))


@pytest.mark.parametrize(
    ("text", "rooms"),
    [
        ("the light in the kitchen", ("kitchen",)),
        ("the Dining Room and the kitchen", ("ding_room", "kitchen")),
        ("ding_room", ("ding_room",)),
        ("the storage room's fan", ("store_room",)),
        ("the storeroom", ("store_room",)),
        ("the robot vacuum", ("vacuum_robot",)),
        ("餐厅的窗帘和厨房里的灯", ("ding_room", "kitchen")),
        ("让扫地机器人打扫储藏室", ("vacuum_robot", "store_room")),
        ("the kitchenette", ()),
        ("the garage", ()),
        ("", ()),
    ],
)
def test_rooms_are_known_by_every_word_for_them(text, rooms):
    assert named_rooms(text, home()) == rooms


def test_the_longest_word_is_meant():
    document = home_document()
    for name in ("garage", "study_room"):
        document["home_status"][name] = {"room_name": name}
    assert named_rooms("the study room", home(document)) == ("study_room",)
    assert named_devices("turn on the water heater", home(document)) == ()
    assert named_devices("both fans and the curtains", home(document)) == ("fan", "curtain")


def test_a_room_that_nobody_has_a_word_for_is_known_by_its_name():
    document = home_document()
    document["home_status"]["wine_cellar"] = {"room_name": "wine_cellar"}
    assert named_rooms("Light the wine cellar.", home(document)) == ("wine_cellar",)


@pytest.mark.parametrize("table", [ROOMS, DEVICES])
def test_no_word_stands_for_two_things(table):
    seen = {}
    for name, spoken in table.items():
        if name != "ding_room":  # the released name of the dining room
            for word in spoken.all:
                assert seen.setdefault(word, name) == name
