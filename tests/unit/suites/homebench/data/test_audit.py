"""The audit: every kind of fault is found where it is, and nowhere else."""

import pytest

from rdagent.errors import ResultError
from rdagent.suites.homebench.data.audit import (
    KINDS,
    UNUSABLE,
    audit,
    audit_data,
    read_shown,
    usable,
)
from rdagent.suites.homebench.data.files import read_data
from tests.unit.suites.homebench.made_up import (
    RECORDS,
    asked,
    home,
    records,
    write_folder,
    write_lines,
)

HOMES = {7: home()}


def found(tmp_path, *documents, **options):
    result = audit(records(tmp_path, documents), HOMES, **options)
    return {kind: ids for kind, ids in result.faults.items() if ids}


def test_sound_records_have_no_fault(tmp_path):
    result = audit(records(tmp_path), HOMES)
    assert result.faults == dict.fromkeys(KINDS, ())
    assert result.usable == len(RECORDS)


ON = asked("on", "Light!", "''' kitchen.light.turn_on()'''")


@pytest.mark.parametrize(
    ("documents", "fault"),
    [
        (
            [ON, asked("off", "Light!", "'''error_input'''", "unexist_attribute")],
            {"conflicting_gold": ("on", "off")},
        ),
        ([ON, {**ON, "id": "again"}], {"repeated": ("again",)}),
        ([ON, {**ON, "id": "other", "input": "Light"}], {}),
        (
            [asked("a", "Go.", "''' vacuum_robot.start()'''")],
            {"method_not_listed": ("a",)},
        ),
        (
            [asked("a", "Go.", "''' kitchen.light.set_brightness(101)'''")],
            {"value_out_of_range": ("a",)},
        ),
        (
            [asked("a", "Go.", "'''error_input,error_input,'''", "multi2_mix")],
            {"mix_but_all_error": ("a",)},
        ),
        ([asked("a", "Go.", "'''light on'''")], {"strange_gold": ("a",)}),
        (
            [asked("a", "Go.", "'''error_input,error_input,'''", "multi3_unexist_device")],
            {"wrong_count": ("a",)},
        ),
        ([asked("a", "Go.", "'''error_input,'''", "multi_unexist_device")], {}),
        ([{**ON, "home_id": 8}], {"unknown_home": ("on",)}),
    ],
)
def test_a_fault_is_found_and_no_other(tmp_path, documents, fault):
    assert found(tmp_path, *documents) == fault


def test_golds_in_another_order_do_not_contradict_each_other(tmp_path):
    first, second = "kitchen.light.turn_on()", "ding_room.fan.turn_on()"
    documents = [
        asked("a", "Both.", f"'''{first},{second},'''", "multi2_normal"),
        asked("b", "Both.", f"'''{second},{first},'''", "multi2_normal"),
    ]
    assert found(tmp_path, *documents) == {"repeated": ("b",)}


def test_an_example_that_models_saw_is_found_by_its_words_and_gold(tmp_path):
    examples = [
        {"input": "Light!", "output": "{kitchen.light.turn_on(),}"},
        {"input": RECORDS[1]["input"], "output": "{kitchen.light.turn_on()}"},
    ]
    shown = read_shown(write_lines(tmp_path / "examples.jsonl", examples))
    assert found(tmp_path, ON, RECORDS[1], shown=shown) == {"shot_leak": ("on",)}


def test_an_example_without_an_output_is_refused_with_its_line(tmp_path):
    path = write_lines(tmp_path / "examples.jsonl", [{"input": "Light!"}])
    with pytest.raises(ResultError, match=r"line 1 of examples\.jsonl"):
        read_shown(path)


def test_a_record_that_is_asked_in_a_later_split_is_found_there(tmp_path):
    train = [ON, asked("x", RECORDS[0]["input"], "'''error_input'''", "unexist_device"), RECORDS[1]]
    data = read_data(write_folder(tmp_path, train=train, valid=[RECORDS[3]], test=RECORDS[:3]))
    by_split = {
        each.split: {kind: ids for kind, ids in each.faults.items() if ids}
        for each in audit_data(data)
    }
    assert by_split == {
        "train": {
            "id_in_other_split": ("home7_one_1",),
            "asked_in_other_split": ("x", "home7_one_1"),
        },
        "valid": {},
        "test": {},
    }


def test_ids_that_are_known_to_be_leaked_count_in_the_test_split_only(tmp_path):
    data = read_data(write_folder(tmp_path, train=[ON], test=RECORDS))
    train, test = audit_data(data, leaked=("on", "home7_one_0"))
    assert train.faults["shot_leak"] == ()
    assert test.faults["shot_leak"] == ("home7_one_0",)


def test_usable_records_are_those_without_an_unusable_fault(tmp_path):
    documents = [
        ON,
        {**ON, "id": "again"},
        asked("a", "Go.", "''' vacuum_robot.start()'''"),
        asked("b", "Hot.", "''' kitchen.light.set_brightness(101)'''"),
    ]
    given = records(tmp_path, documents)
    result = audit(given, HOMES)
    assert [record.id for record in usable(given, result)] == ["on", "again", "b"]
    assert result.usable == 3
    assert [record.id for record in usable(given, result, ["value_out_of_range"])] == [
        "on",
        "again",
        "a",
    ]


def test_every_unusable_kind_is_a_kind():
    assert set(UNUSABLE) <= set(KINDS)
