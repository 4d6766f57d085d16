"""Files of answers and of homes, as strangers write them."""

import json

import pytest

from rdagent.errors import ResultError
from rdagent.suites.homebench.scoring.records import read_homes, read_records

RECORD = {"category": "VS", "gold": "'''a.b.c()'''", "prediction": "{a.b.c()}"}


def written(tmp_path, content):
    path = tmp_path / "answers.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(*records):
    return "\n".join(json.dumps(record) for record in records)


def read(tmp_path, *records):
    return read_records(written(tmp_path, lines(*records)))


def refused(tmp_path, content):
    with pytest.raises(ResultError) as error:
        read_records(written(tmp_path, content))
    return str(error.value)


def test_lines_and_an_array_hold_the_same_records(tmp_path):
    other = {**RECORD, "id": "x"}
    by_line = read(tmp_path, RECORD, other)
    in_array = read_records(written(tmp_path, json.dumps([RECORD, other], indent=4)))
    assert [(r.index, r.id, r.gold, r.prediction) for r in by_line] == [
        (r.index, r.id, r.gold, r.prediction) for r in in_array
    ]
    assert (by_line[1].place, in_array[1].place) == ("line 2", "record 2")


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\n \n", b"\r\n"])
def test_a_mark_of_byte_order_and_blank_lines_are_passed_over(tmp_path, mark):
    content = mark + json.dumps(RECORD).encode() + b"\r\n\r\n" + json.dumps(RECORD).encode()
    assert [r.index for r in read_records(written(tmp_path, content))] == [0, 1]
    array = mark + json.dumps([RECORD]).encode()
    assert len(read_records(written(tmp_path, array))) == 1


def test_the_reproductions_names_are_understood(tmp_path):
    (record,) = read(
        tmp_path, {"generated": "{x}", "expected": "'''y'''", "type": "multi2_unexist_device"}
    )
    assert (record.prediction, record.gold, record.category) == ("{x}", "'''y'''", "IM")


def test_the_released_record_with_a_prediction_is_understood(tmp_path):
    (record,) = read(
        tmp_path,
        {
            "id": "home7_one_3",
            "input": "Do.",
            "output": "'''a.b.c()'''",
            "home_id": 7,
            "type": "normal",
            "prediction": "{}",
        },
    )
    assert (record.category, record.home, record.request) == ("VS", "7", "Do.")
    assert record.gold == "'''a.b.c()'''"


def test_gold_goes_before_output(tmp_path):
    (record,) = read(tmp_path, {**RECORD, "output": "something else"})
    assert record.gold == RECORD["gold"]


def test_the_home_is_found_in_a_released_id(tmp_path):
    records = read(tmp_path, {**RECORD, "id": "home86_multi_329"}, {**RECORD, "id": "86"})
    assert [r.home for r in records] == ["86", None]


def test_of_a_whole_prompt_the_question_is_the_instruction(tmp_path):
    prompt = (
        "<User instructions:> example\n<Machine instructions:> {x}\n---\n"
        "<User instructions:>\nTurn it on.\n<Machine instructions:>"
    )
    (record,) = read(tmp_path, {**RECORD, "input": prompt})
    assert record.request == "Turn it on."


def test_no_prediction_at_all_is_told_from_one_that_is_empty(tmp_path):
    (record,) = read(tmp_path, {**RECORD, "prediction": None})
    assert record.prediction is None
    without = {"category": "VS", "gold": "x", "answer": "y"}
    assert "line 1: no prediction" in refused(tmp_path, lines(without))


@pytest.mark.parametrize("gold", [None, 4, ["a.b.c()"], {}])
def test_a_gold_that_is_no_text_is_kept_to_be_listed(tmp_path, gold):
    (record,) = read(tmp_path, {**RECORD, "gold": gold})
    assert record.gold is None


@pytest.mark.parametrize("category", ["XX", "vs", "", 3, ["VS"], "ALL"])
def test_an_unknown_category_is_named_with_its_line(tmp_path, category):
    said = refused(tmp_path, lines(RECORD, {**RECORD, "category": category}))
    assert "line 2: unknown category" in said
    assert "VS, IS, VM, IM, MM" in said


def test_an_unknown_type_is_named_where_there_is_no_category(tmp_path):
    record = {"gold": "x", "prediction": "y", "type": "odd"}
    assert "line 1: unknown type 'odd'" in refused(tmp_path, lines(record))
    assert read(tmp_path, {**RECORD, "type": "odd"})[0].kind is None


def test_a_record_without_category_and_type_is_named(tmp_path):
    record = {"generated": "x", "expected": "y"}
    assert "line 1: neither category nor type" in refused(tmp_path, lines(record))


def test_an_id_that_comes_twice_is_named_with_both_lines(tmp_path):
    content = lines({**RECORD, "id": "a"}, {**RECORD, "id": "b"}, {**RECORD, "id": "a"})
    assert "line 3 has the id of line 1, a" in refused(tmp_path, content)


def test_a_number_and_a_text_are_different_ids(tmp_path):
    assert len(read(tmp_path, {**RECORD, "id": 1}, {**RECORD, "id": "1"}, RECORD, RECORD)) == 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no records"),
        (" \n\n", "holds no records"),
        ("[]", "holds no records"),
        ("no JSON", "line 1 of answers.jsonl is not valid JSON"),
        (json.dumps(RECORD) + "\n{", "line 2 of answers.jsonl is not valid JSON"),
        (json.dumps(RECORD, indent=1), "line 1 of answers.jsonl is not valid JSON"),
        ("[{]", "answers.jsonl is not valid JSON"),
        ("7", "line 1 is a number"),
        ("[[]]", "record 1 is a list"),
        (b"\xff\xfe[\x00]\x00", "is not UTF-8"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"category": NaN}', "is not valid JSON"),
        (lines({**RECORD, "prediction": ["x"]}), "the prediction is a list"),
        (lines({**RECORD, "id": {}}), "id is an object"),
        (lines({**RECORD, "id": True}), "id is true or false"),
        (lines({**RECORD, "input": 3}), "input is a number"),
        (lines({**RECORD, "home_id": 1.5}), "home_id is a number"),
    ],
)
def test_what_is_no_file_of_answers_is_refused_by_its_place(tmp_path, content, said):
    assert said in refused(tmp_path, content)


def test_a_line_and_an_array_that_are_too_long_are_refused(tmp_path, monkeypatch):
    module = "rdagent.suites.homebench.scoring.records"
    monkeypatch.setattr(f"{module}.JSON_LIMIT", 100)
    monkeypatch.setattr(f"{module}.ARRAY_LIMIT", 200)
    assert len(read(tmp_path, RECORD, RECORD, RECORD)) == 3
    long = {**RECORD, "input": "x" * 100}
    assert "line 2 is over 100 bytes" in refused(tmp_path, lines(RECORD, long))
    assert len(read_records(written(tmp_path, json.dumps([long])))) == 1
    assert "the array has over 200 bytes" in refused(tmp_path, json.dumps([long, long]))


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(ResultError, match="not a regular file"):
        read_records(tmp_path)
    with pytest.raises(ResultError, match="missing"):
        read_records(tmp_path / "none")


def test_a_link_that_the_user_names_is_followed(tmp_path):
    path = written(tmp_path, lines(RECORD))
    (tmp_path / "link").symlink_to(path)
    assert len(read_records(tmp_path / "link")) == 1


def test_a_name_in_a_message_is_harmless(tmp_path):
    said = refused(tmp_path, lines({**RECORD, "category": "\x1b[31mred"}))
    assert "\x1b" not in said


METHOD = {"room_name": "kitchen", "device_name": "light", "operation": "turn_on", "parameters": []}


def test_homes_are_read_for_their_methods(tmp_path):
    robot = {**METHOD, "room_name": "None", "device_name": "vacuum_robot", "operation": "stop"}
    path = written(tmp_path, lines({"home_id": 4, "method": [METHOD, robot], "home_status": {}}))
    homes = read_homes(path)
    assert homes.of("4") == {"kitchen.light.turn_on", "vacuum_robot.stop"}
    assert homes.of("5") is None
    assert homes.of(None) is None


@pytest.mark.parametrize(
    ("home", "said"),
    [
        ({"method": []}, "line 1: a home has home_id"),
        ({"home_id": 1}, "line 1: a home has home_id"),
        ({"home_id": 1, "method": [{"room_name": 3}]}, "line 1: a method has"),
        ({"home_id": 1, "method": ["x"]}, "line 1: a method has"),
    ],
)
def test_what_is_no_home_is_refused_by_its_place(tmp_path, home, said):
    with pytest.raises(ResultError, match=said):
        read_homes(written(tmp_path, lines(home)))


def test_a_home_that_comes_twice_is_refused(tmp_path):
    home = {"home_id": 1, "method": []}
    with pytest.raises(ResultError, match="line 2: home 1 comes twice"):
        read_homes(written(tmp_path, lines(home, {**home, "home_id": "1"})))
