"""Instruction records: the released form is read, anything else is refused with its line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.errors import ResultError
from rdagent.suites.homebench.data import lines
from rdagent.suites.homebench.data.records import (
    count_categories,
    read_operation,
    read_records,
    write_gold,
)
from rdagent.suites.homebench.scoring.operations import read_gold
from tests.unit.suites.homebench.made_up import RECORDS, asked, records, write_lines


def test_golds_are_read_without_their_quotes_blanks_and_last_comma(tmp_path):
    assert [record.gold for record in records(tmp_path)] == [
        ("kitchen.light.set_brightness(20)",),
        ("error_input",),
        ("ding_room.curtain.open()", "kitchen.light.turn_off()"),
        ("error_input", "error_input"),
        ("vacuum_robot.set_mode(strong)", "error_input", "ding_room.fan.turn_on()"),
    ]


def test_a_commas_inside_brackets_does_not_split_a_gold(tmp_path):
    (record,) = records(tmp_path, [asked("a", "Red.", "''' kitchen.light.set_color(1, 2,3)'''")])
    assert record.gold == ("kitchen.light.set_color(1,2,3)",)


def test_categories_follow_from_the_type(tmp_path):
    assert [record.category for record in records(tmp_path)] == ["VS", "IS", "VM", "IM", "MM"]
    assert count_categories(records(tmp_path)) == dict.fromkeys(("VS", "IS", "VM", "IM", "MM"), 1)


def test_the_size_of_a_request_is_what_its_type_says(tmp_path):
    assert [record.size for record in records(tmp_path)] == [1, 1, 2, 2, 3]
    (record,) = records(tmp_path, [asked("a", "On.", "'''error_input,'''", "multi_mix")])
    assert record.size is None


def test_a_record_is_written_as_it_was_read(tmp_path):
    assert [record.to_json() for record in records(tmp_path)] == RECORDS
    assert [list(record.to_json()) for record in records(tmp_path)] == [list(r) for r in RECORDS]


def test_a_device_without_a_room_counts_as_its_own_room():
    operation = read_operation("vacuum_robot.set_mode(auto)")
    assert (operation.room, operation.device) == ("vacuum_robot", "vacuum_robot")
    assert operation.text == "vacuum_robot.set_mode(auto)"


def test_what_is_no_call_is_no_operation(tmp_path):
    assert read_operation("error_input") is None
    assert [len(record.operations) for record in records(tmp_path)] == [1, 0, 2, 0, 2]


OPERATIONS = st.sampled_from(
    ["error_input", "a.b.c()", "kitchen.light.set_color(1,2,3)", "r.go(x)"]
)


@given(st.lists(OPERATIONS, min_size=1))
def test_a_written_gold_reads_as_what_was_written(operations):
    assert list(read_gold(write_gold(operations, several=True))) == operations
    assert list(read_gold(write_gold(operations[:1], several=False))) == operations[:1]


def test_golds_are_written_as_the_release_writes_them():
    assert write_gold(["a.b.c()"], several=False) == "''' a.b.c()'''"
    assert write_gold(["error_input"], several=False) == "'''error_input'''"
    assert write_gold(["error_input", "a.b.c()"], several=True) == "'''error_input,a.b.c(),'''"


def without(name):
    return {key: value for key, value in RECORDS[0].items() if key != name}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (without("output"), "the field 'output' is missing"),
        (without("type"), "the field 'type' is missing"),
        ({**RECORDS[0], "type": "unknown"}, "(type): 'unknown' is no type"),
        ({**RECORDS[0], "type": ["normal"]}, "(type)"),
        ({**RECORDS[0], "type": "multi2_many"}, "(type)"),
        ({**RECORDS[0], "home_id": "7"}, "(home_id): '7' is no home"),
        ({**RECORDS[0], "home_id": True}, "(home_id)"),
        ({**RECORDS[0], "home_id": -1}, "(home_id)"),
        ({**RECORDS[0], "home_id": 10**30}, "(home_id)"),
        ({**RECORDS[0], "output": "''''''"}, "(output): there is no operation"),
        ({**RECORDS[0], "output": None}, "(output): None is no text"),
        ({**RECORDS[0], "input": "  "}, "(input)"),
        ({**RECORDS[0], "input": "a" * 100_001}, "(input): the text has 100001 characters"),
        ({**RECORDS[0], "input": "half \ud800"}, "(input): half a character"),
        ({**RECORDS[0], "id": "a\nb"}, "(id)"),
        ({**RECORDS[0], "id": 3}, "(id)"),
        (RECORDS[1:2], "is no object"),
    ],
)
def test_a_malformed_record_is_refused_with_its_file_and_line(tmp_path, document, said):
    path = tmp_path / "test_data.jsonl"
    path.write_text(f"{json.dumps(RECORDS[1])}\n\n{json.dumps(document)}\n", "utf-8")
    with pytest.raises(ResultError) as caught:
        read_records(path)
    assert caught.value.message.startswith("line 3 of test_data.jsonl")
    assert said in caught.value.message


@pytest.mark.parametrize("line", ["{", '{"id": NaN}', "[" * 100_000, "\x00"])
def test_a_line_that_is_no_json_is_refused_with_its_number(tmp_path, line):
    path = tmp_path / "test_data.jsonl"
    path.write_text(f"{json.dumps(RECORDS[1])}\n{line}\n", "utf-8")
    with pytest.raises(ResultError, match=r"line 2 of test_data\.jsonl"):
        read_records(path)


def test_an_id_that_stands_there_twice_is_refused_with_both_places(tmp_path):
    first = write_lines(tmp_path / "train_data_part1.jsonl", RECORDS[:2])
    second = write_lines(tmp_path / "train_data_part2.jsonl", RECORDS[1:3])
    with pytest.raises(ResultError) as caught:
        read_records(first, second)
    assert "line 1 of train_data_part2.jsonl" in caught.value.message
    assert "line 2 of train_data_part1.jsonl" in caught.value.message


def test_line_ends_of_windows_and_a_byte_order_mark_are_no_trouble(tmp_path):
    path = tmp_path / "test_data.jsonl"
    lines = "\r\n".join(json.dumps(each) for each in RECORDS)
    path.write_bytes(b"\xef\xbb\xbf" + lines.encode())
    assert [record.id for record in read_records(path)] == [each["id"] for each in RECORDS]


def test_fields_that_are_not_known_are_passed_over(tmp_path):
    (record,) = records(tmp_path, [{**RECORDS[0], "note": {"of": "mine"}}])
    assert record.to_json() == RECORDS[0]


def test_a_link_is_not_followed(tmp_path):
    write_lines(tmp_path / "real.jsonl", RECORDS)
    (tmp_path / "test_data.jsonl").symlink_to(tmp_path / "real.jsonl")
    with pytest.raises(ResultError, match="cannot be opened"):
        read_records(tmp_path / "test_data.jsonl")


def test_a_message_never_carries_a_terminals_escapes(tmp_path):
    bad = {**RECORDS[0], "type": "\x1b[31mred\u202e"}
    with pytest.raises(ResultError) as caught:
        records(tmp_path, [bad])
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_a_line_that_is_too_long_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LINE_LIMIT", 150)
    with pytest.raises(ResultError, match=r"line 2 of some\.jsonl: the line is over 150 bytes"):
        records(tmp_path, [asked("a", "Go.", "'''error_input'''"), {"id": "b" * 200}])
