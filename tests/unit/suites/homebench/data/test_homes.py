"""Homes: the released form with its quirks is read, anything else is refused with its place."""

import pytest

from rdagent.errors import ResultError
from rdagent.suites.homebench.data.homes import read_homes
from rdagent.suites.homebench.data.records import read_operation
from tests.unit.suites.homebench.made_up import HOME, home, home_document, write_lines


def test_rooms_stand_in_the_order_of_the_record_and_the_robot_is_one_of_them():
    assert home().room_names == ("kitchen", "ding_room", "store_room", "vacuum_robot")
    assert [room.is_device for room in home().rooms] == [False, False, False, True]


def test_bounds_that_are_texts_are_numbers():
    light = home().room("kitchen").device("light")
    assert (light.attribute("brightness").lowest, light.attribute("brightness").highest) == (0, 100)


def test_the_blank_before_an_attributes_name_is_dropped():
    assert home().room("ding_room").device("curtain").attribute("degree").value == 3


def test_a_colour_is_three_numbers_without_bounds():
    colour = home().room("kitchen").device("light").attribute("color")
    assert colour.value == (25, 0, 52)
    assert colour.admits("1,2,3")


@pytest.mark.parametrize(
    ("call", "listed"),
    [
        ("kitchen.light.turn_on()", True),
        ("kitchen.light.set_swing(up)", False),
        ("ding_room.light.turn_on()", False),
        ("light.turn_on()", False),
        ("vacuum_robot.set_mode(auto)", True),
        ("vacuum_robot.start()", False),
        ("None.vacuum_robot.set_mode(auto)", False),
    ],
)
def test_a_home_knows_which_calls_it_offers(call, listed):
    assert (home().method_of(read_operation(call)) is not None) == listed


@pytest.mark.parametrize(
    ("call", "admitted"),
    [
        ("kitchen.light.set_brightness(0)", True),
        ("kitchen.light.set_brightness(100)", True),
        ("kitchen.light.set_brightness(101)", False),
        ("kitchen.light.set_brightness(-1)", False),
        ("kitchen.light.set_brightness(dim)", False),
        ("kitchen.light.set_brightness()", False),
        ("store_room.fan.set_speed(high)", True),
        ("store_room.fan.set_speed(9)", False),
        ("vacuum_robot.set_mode(strong)", True),
    ],
)
def test_an_attribute_knows_what_it_can_be_set_to(call, admitted):
    operation = read_operation(call)
    assert home().attribute_of(operation).admits(operation.argument) == admitted


def test_what_shows_no_attribute_has_none_to_check():
    assert home().attribute_of(read_operation("kitchen.light.turn_on()")) is None
    assert home().attribute_of(read_operation("vacuum_robot.set_cleaning_area(kitchen)")) is None


def changed(way, value):
    document = home_document()
    *steps, last = way
    part = document
    for step in steps:
        part = part[step]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return document


LIGHT = ("home_status", "kitchen", "light")


@pytest.mark.parametrize(
    ("way", "value", "where"),
    [
        (("home_id",), "7", "(home_id)"),
        (("home_id",), ..., "'home_id' is missing"),
        (("method",), {}, "(method)"),
        (("method", 1), "turn_on", "(method.1)"),
        (("method", 1, "operation"), "turn on()", "(method.1.operation)"),
        (("method", 1, "device_name"), ..., "'device_name' is missing"),
        (("method", 2, "parameters", 0, "type"), 3, "(method.2.parameters.0.type)"),
        (("home_status",), {}, "(home_status)"),
        (("home_status", "kitchen"), [], "(home_status.kitchen)"),
        (("home_status", "kitchen", "room_name"), "garage", "(home_status.kitchen.room_name)"),
        (("home_status", "a.b"), {}, "(home_status.a.b)"),
        ((*LIGHT, "state"), ..., "'state' is missing"),
        ((*LIGHT, "state"), "on\noff", "(home_status.kitchen.light.state)"),
        ((*LIGHT, "attributes"), [], "(home_status.kitchen.light.attributes)"),
        ((*LIGHT, "attributes", "brightness", "lowest"), "low", "brightness.lowest)"),
        ((*LIGHT, "attributes", "brightness", "highest"), ..., "'highest' is missing"),
        ((*LIGHT, "attributes", "brightness", "lowest"), 101, "attributes.brightness)"),
        ((*LIGHT, "attributes", "brightness", "value"), 0.5, "brightness.value)"),
        ((*LIGHT, "attributes", "brightness", "value"), 10**12, "brightness.value)"),
        ((*LIGHT, "attributes", "bright\u202eness"), {"value": 1}, "attributes"),
        ((*LIGHT, "attributes", " color"), {"value": 1}, "stands there before"),
    ],
)
def test_a_malformed_home_is_refused_with_file_line_and_place(tmp_path, way, value, where):
    path = write_lines(tmp_path / "homes.jsonl", [{**HOME, "home_id": 1}, changed(way, value)])
    with pytest.raises(ResultError) as caught:
        read_homes(path)
    assert caught.value.message.startswith("line 2 of homes.jsonl")
    assert where in caught.value.message


def test_a_home_that_stands_there_twice_is_refused(tmp_path):
    with pytest.raises(ResultError, match=r"line 2 of homes\.jsonl: home 7"):
        read_homes(write_lines(tmp_path / "homes.jsonl", [HOME, HOME]))
