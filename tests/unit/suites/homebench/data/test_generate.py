"""The generator: every gold can be done in its home, splits share nothing, seeds decide all."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdagent.demo import homes as demo
from rdagent.errors import UsageError
from rdagent.suites.homebench.data.audit import KINDS, audit_data
from rdagent.suites.homebench.data.catalogue import PLAIN, ROBOT, VOCABULARIES
from rdagent.suites.homebench.data.files import read_data
from rdagent.suites.homebench.data.generate import FIRST_HOME, Plan, generate, write
from rdagent.suites.homebench.data.records import count_categories
from rdagent.suites.homebench.data.wishes import Wishes

PLANS = st.builds(
    Plan,
    homes=st.integers(3, 6),
    records=st.integers(30, 60),
    language=st.sampled_from(["en", "zh", "both"]),
    rooms=st.sampled_from([(2, 3), (1, 1), (12, 12)]),
    devices=st.sampled_from([(2, 4), (4, 8)]),
    operations=st.sampled_from([(2, 2), (2, 4), (2, 10)]),
    relative=st.sampled_from([0.0, 0.5, 1.0]),
    vocabulary=st.sampled_from(sorted(VOCABULARIES)),
    seed=st.integers(0, 10_000),
)


def everything(generated):
    homes = {made.home.home_id: made.home for made in generated.homes}
    return [(r, homes[r.home_id]) for records in generated.splits.values() for r in records]


@settings(max_examples=40)
@given(PLANS)
def test_every_call_of_a_gold_is_offered_by_its_home_and_in_range(plan):
    for record, home in everything(generate(plan)):
        for operation in record.operations:
            assert home.method_of(operation) is not None
            attribute = home.attribute_of(operation)
            assert attribute is None or attribute.admits(operation.argument)


@settings(max_examples=40)
@given(PLANS)
def test_golds_have_the_parts_that_their_category_means(plan):
    for record, _ in everything(generate(plan)):
        done, refused = len(record.operations), record.gold.count("error_input")
        assert done + refused == len(record.gold) == record.size
        assert {
            "VS": done == 1,
            "IS": refused == 1 == len(record.gold),
            "VM": done >= 2 and not refused,
            "IM": refused >= 2 and not done,
            "MM": done >= 1 and refused >= 1,
        }[record.category]


@settings(max_examples=20)
@given(PLANS)
def test_categories_are_balanced(plan):
    counts = count_categories(record for record, _ in everything(generate(plan)))
    assert sum(counts.values()) == plan.records
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("vocabulary", sorted(VOCABULARIES))
def test_the_audit_finds_no_fault_in_what_was_written(tmp_path, vocabulary):
    plan = Plan(homes=20, records=400, language="both", vocabulary=vocabulary)
    generated = generate(plan)
    names = write(generated, tmp_path)
    assert sorted(names) == [
        "generated.json",
        "home_status_method.jsonl",
        "test_data.jsonl",
        "train_data_part1.jsonl",
        "valid_data.jsonl",
    ]
    data = read_data(tmp_path)
    assert data.splits == generated.splits
    assert [audit.faults for audit in audit_data(data)] == [dict.fromkeys(KINDS, ())] * 3


def test_splits_have_homes_of_their_own():
    splits = generate(Plan(homes=20, records=100)).splits
    homes = {name: {record.home_id for record in records} for name, records in splits.items()}
    assert {name: len(ids) for name, ids in homes.items()} == {"train": 16, "valid": 2, "test": 2}
    assert not homes["train"] & homes["valid"]
    assert not homes["train"] & homes["test"]
    assert not homes["valid"] & homes["test"]


def test_no_two_homes_are_the_same_but_for_their_number():
    generated = generate(
        Plan(homes=60, records=60, rooms=(1, 1), devices=(1, 1), vocabulary="plain")
    )
    contents = {
        json.dumps({**made.document, "home_id": 0}, sort_keys=True) for made in generated.homes
    }
    assert len(contents) == 60


def test_homes_are_numbered_from_a_thousand_and_ids_are_of_the_released_form():
    generated = generate(Plan(homes=5, records=50))
    assert [made.home.home_id for made in generated.homes] == list(range(1000, 1005))
    assert FIRST_HOME == 1000
    for record, home in everything(generated):
        kind = "one" if record.category in ("VS", "IS") else "multi"
        assert re.fullmatch(rf"home{home.home_id}_{kind}_\d+", record.id)


def test_equal_plans_give_equal_bytes_and_another_seed_other_ones(tmp_path):
    plan = Plan(homes=6, records=60, language="both")
    for name, made in (("a", plan), ("b", plan), ("c", replace(plan, seed=1))):
        write(generate(made), tmp_path / name)
    first, same, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in "abc"
    )
    assert first == same
    assert all(first[name] != other[name] for name in first if name.endswith(".jsonl"))


def test_records_have_the_five_released_fields_and_homes_the_three(tmp_path):
    write(generate(Plan(homes=3, records=15)), tmp_path)
    for name, keys in (
        ("test_data.jsonl", ["id", "input", "output", "home_id", "type"]),
        ("home_status_method.jsonl", ["home_id", "method", "home_status"]),
    ):
        for line in (tmp_path / name).read_text("utf-8").splitlines():
            assert list(json.loads(line)) == keys


def change_in(text):
    found = re.search(
        r"(?:(increase|raise|调高|提高)|decrease|lower|调低|降低)\D*?(?:by )?(\d+)",
        text,
        re.IGNORECASE,
    )
    return int(found[2]) * (1 if found[1] else -1) if found else None


@pytest.mark.parametrize("vocabulary", sorted(VOCABULARIES))
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_change_by_so_much_is_in_points_of_what_the_home_shows(vocabulary, language):
    plan = Plan(homes=30, records=900, relative=1.0, vocabulary=vocabulary, language=language)
    checked = 0
    for record, home in everything(generate(plan)):
        change = change_in(record.input)
        if record.category == "VS" and change is not None:
            (operation,) = record.operations
            shown = home.attribute_of(operation).value
            assert int(operation.argument) == shown + change
            checked += 1
    assert checked > 20


def test_nothing_is_asked_of_one_slot_twice_in_a_request():
    for record, _ in everything(generate(Plan(homes=10, records=500, operations=(4, 10)))):
        touched = [(o.room, o.device, o.method) for o in record.operations]
        assert len(touched) == len(set(touched))
        switches = [(o.room, o.device) for o in record.operations if not o.argument]
        assert len(switches) == len(set(switches))


def test_refusals_are_of_both_kinds():
    records = [record for record, _ in everything(generate(Plan(homes=20, records=600)))]
    for category in ("IS", "IM"):
        kinds = [re.sub(r"\d", "", r.type) for r in records if r.category == category]
        assert len(set(kinds)) == 2
        assert min(kinds.count(kind) for kind in set(kinds)) >= len(kinds) * 0.3


@pytest.mark.parametrize(
    ("language", "english", "chinese"),
    [("en", True, False), ("zh", False, True), ("both", True, True)],
)
def test_requests_are_in_the_language_that_was_asked_for(language, english, chinese):
    records = everything(generate(Plan(homes=5, records=100, language=language)))
    is_ascii = {record.input.isascii() for record, _ in records}
    assert (True in is_ascii, False in is_ascii) == (english, chinese)


def test_both_languages_are_balanced_within_each_category():
    records = [r for r, _ in everything(generate(Plan(homes=5, records=200, language="both")))]
    for category in ("VS", "IS", "VM", "IM", "MM"):
        told = [record.input.isascii() for record in records if record.category == category]
        assert told.count(True) == told.count(False) == 20


def test_the_plain_vocabulary_is_the_demos():
    assert {kind.name: tuple(kind.methods) for kind in PLAIN.kinds} == {
        kind.name: kind.methods for kind in demo.KINDS
    }
    for made in generate(Plan(homes=5, records=25, vocabulary="plain")).homes:
        assert demo.render_home(made.document)


def test_homes_have_as_many_rooms_and_devices_as_asked_for():
    generated = generate(Plan(homes=30, records=60, rooms=(2, 3), devices=(2, 4)))
    rooms = [room for made in generated.homes for room in made.home.rooms if not room.is_device]
    assert {len(room.devices) for room in rooms} == {2, 3, 4}
    assert {sum(not r.is_device for r in made.home.rooms) for made in generated.homes} == {2, 3}


@pytest.mark.parametrize(
    "changes",
    [
        {"homes": 0},
        {"records": 5},
        {"rooms": (3, 2)},
        {"rooms": (1, 13)},
        {"devices": (0, 2)},
        {"operations": (1, 2)},
        {"operations": (2, 11)},
        {"relative": 1.5},
        {"split": {"train": 0.5}},
        {"split": {"train": 0.5, "dev": 0.5}},
        {"split": {"train": 1.5, "test": -0.5}},
        {"homes": 2, "records": 20},
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_before_anything(changes):
    with pytest.raises(UsageError):
        generate(replace(Plan(homes=10, records=50), **changes))


@pytest.mark.parametrize("changes", [{"operations": (10, 10)}, {"records": 9000}])
def test_homes_that_are_too_small_for_what_is_asked_are_told(changes):
    small = Plan(homes=1, records=10, rooms=(1, 1), devices=(1, 1), split={"test": 1.0})
    with pytest.raises(UsageError, match="only 0 different homes of this size have enough"):
        generate(replace(small, vocabulary="plain", relative=0.0, **changes))


def test_the_robot_stands_beside_the_rooms_and_nothing_else_is_asked_of_it():
    vocabulary = VOCABULARIES["released"]
    for made in generate(Plan(homes=20, records=100)).homes:
        for slots in Wishes.of(made.home, vocabulary, relative=0).slots.values():
            assert all((slot.room == ROBOT) == (slot.kind.name == ROBOT) for slot in slots)


def test_refusals_stand_anywhere_in_a_mix():
    records = [record for record, _ in everything(generate(Plan(homes=10, records=300)))]
    mixes = [record.gold for record in records if record.category == "MM"]
    for place in (0, -1):
        refused = [gold[place] == "error_input" for gold in mixes]
        assert len(mixes) * 0.2 < sum(refused) < len(mixes) * 0.8
