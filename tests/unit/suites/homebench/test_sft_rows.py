"""Which training records a model is tuned on."""

import json
from collections import Counter

import pytest

from rdagent.errors import RefusedError, UsageError
from rdagent.suites.homebench.asking import Asking, lines, select
from rdagent.suites.homebench.data.generate import Plan, generate, write
from rdagent.suites.homebench.sft_rows import even_shares, select_rows
from rdagent.suites.homebench.suite import retrieved
from tests.unit.suites.homebench import made_up

LIGHT, HEATING, CURTAIN, *_ = made_up.RECORDS


def again(record, id_, **changes):
    return {**record, "id": id_, **changes}


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("homebench")
    write(generate(Plan(homes=12, records=240, seed=3)), folder)
    return folder


@pytest.fixture
def folder(tmp_path):
    def make(train, **splits):
        return made_up.write_folder(tmp_path / "data", train=train, **splits)

    return make


def read(rows):
    return [json.loads(line) for line in rows.lines()]


def test_a_row_is_the_prompt_that_an_evaluation_asks_and_the_gold_in_braces(folder):
    data = folder(made_up.RECORDS)
    asking = Asking(data=data, split="train", style="compact")
    asked = [json.loads(line) for line in lines(select(asking), asking)]
    rows = read(select_rows(Asking(data=data, style="compact")))
    assert [row["instruction"] for row in rows] == [each["prompt"] for each in asked]
    assert rows[0]["output"] == "{kitchen.light.set_brightness(20)}"


def test_a_row_has_nothing_but_the_prompt_and_the_answer(folder):
    assert all(set(row) == {"instruction", "output"} for row in read(select_rows(
        Asking(data=folder(made_up.RECORDS))
    )))  # fmt: skip


@pytest.mark.parametrize("mode", ["zero-shot", "few-shot", "rag"])
def test_every_mode_has_rows_whose_names_are_in_their_order(generated, mode):
    rows = select_rows(Asking(data=generated, mode=mode))
    assert len(rows.names) == len(read(rows)) > 0


def test_examples_are_those_of_an_evaluation_and_no_rows(generated):
    evaluated = select(Asking(data=generated, mode="few-shot", seed=5))
    rows = select_rows(Asking(data=generated, mode="few-shot", seed=5))
    shown = [shot.record.id for shot in rows.asked.shots]
    assert shown == [shot.record.id for shot in evaluated.shots]
    assert not set(shown) & set(rows.names)


def test_examples_are_those_of_an_evaluation_whatever_is_left_out_of_the_rows(generated, tmp_path):
    for name in ("home_status_method.jsonl", "test_data.jsonl"):
        (tmp_path / name).write_bytes((generated / name).read_bytes())
    train = [
        json.loads(line)
        for path in (generated / "train_data_part1.jsonl", generated / "test_data.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]
    twice = [again(record, f"{record['id']}9") for record in train]
    made_up.write_lines(tmp_path / "train_data.jsonl", train + twice)
    asking = Asking(data=tmp_path, mode="few-shot", seed=5)
    evaluated = select(asking)
    rows = select_rows(asking, exclude_leaks=True)
    assert [shot.record.id for shot in rows.asked.shots] == [
        shot.record.id for shot in evaluated.shots
    ]


def test_retrieved_rooms_are_those_of_an_evaluation(generated):
    asking = Asking(data=generated, mode="rag", split="train")
    asked = [json.loads(line) for line in lines(*retrieved(select(asking), asking))]
    rows = read(select_rows(Asking(data=generated, mode="rag")))
    assert [row["instruction"] for row in rows] == [each["prompt"] for each in asked]


@pytest.mark.parametrize("split", ["test", "valid"])
def test_a_held_out_record_is_refused_by_its_id(folder, split):
    data = folder([LIGHT, HEATING], **{split: [again(CURTAIN, HEATING["id"])]})
    with pytest.raises(RefusedError, match=HEATING["id"]):
        select_rows(Asking(data=data))


@pytest.mark.parametrize(
    "text", [LIGHT["input"], LIGHT["input"].upper(), f"  {LIGHT['input'].replace(' ', '  ')} "]
)
def test_a_held_out_record_is_refused_by_home_and_instruction(folder, text):
    data = folder([LIGHT, HEATING], test=[again(LIGHT, "home7_one_99", input=text)])
    with pytest.raises(RefusedError, match=LIGHT["id"]):
        select_rows(Asking(data=data))


def test_held_out_records_can_be_left_out(folder):
    data = folder([LIGHT, HEATING], test=[again(LIGHT, "home7_one_99")])
    rows = select_rows(Asking(data=data), exclude_leaks=True)
    assert (rows.names, rows.leaks) == ([HEATING["id"]], 1)
    assert "1 records ask what test" in rows.notes()[0]


def test_the_same_instruction_to_another_home_is_no_leak(generated, tmp_path):
    train = generated / "train_data_part1.jsonl"
    first = json.loads(train.read_text("utf-8").splitlines()[0])
    for name in ("home_status_method.jsonl", train.name):
        (tmp_path / name).write_bytes((generated / name).read_bytes())
    homes = [json.loads(x)["home_id"] for x in train.read_text("utf-8").splitlines()]
    other = next(each for each in homes if each != first["home_id"])
    made_up.write_lines(tmp_path / "test_data.jsonl", [again(first, "x", home_id=other)])
    assert first["id"] in select_rows(Asking(data=tmp_path)).names


def test_a_record_that_stands_there_twice_is_one_row(folder):
    data = folder([LIGHT, again(LIGHT, "home7_one_50", input=LIGHT["input"].lower()), HEATING])
    rows = select_rows(Asking(data=data))
    assert (rows.names, rows.duplicates) == ([LIGHT["id"], HEATING["id"]], 1)


def test_another_answer_to_the_same_question_stays_and_is_told(folder):
    data = folder([HEATING, again(LIGHT, "home7_one_50", input=HEATING["input"])])
    rows = select_rows(Asking(data=data))
    assert (len(rows.names), rows.contradictions) == (2, 1)
    assert "contradict" in rows.notes()[0]


def test_faulty_records_can_be_left_out(folder):
    data = folder([CURTAIN, HEATING, again(LIGHT, "home7_one_50", input=HEATING["input"])])
    assert select_rows(Asking(data=data, exclude_audited=True)).names == [CURTAIN["id"]]


def test_a_limit_draws_the_same_records_for_a_seed(generated):
    drawn = [select_rows(Asking(data=generated, limit=30, seed=seed)).names for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 30


def test_without_a_limit_all_records_are_rows(generated):
    assert len(select_rows(Asking(data=generated)).names) == 200


def test_balanced_categories_have_as_many_as_the_rarest(folder):
    data = folder([*made_up.RECORDS, again(LIGHT, "home7_one_50", input="Dim the light to 20.")])
    rows = select_rows(Asking(data=data), balance=True)
    assert set(rows.categories.values()) == {1}


def test_balanced_categories_share_a_limit_evenly(generated):
    rows = select_rows(Asking(data=generated, limit=52), balance=True)
    assert Counter(rows.categories.values()) == {10: 3, 11: 2}


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ({"a": 9, "b": 9}, 4, {"a": 2, "b": 2}),
        ({"a": 1, "b": 9, "c": 9}, 9, {"a": 1, "b": 4, "c": 4}),
        ({"a": 1, "b": 2}, 9, {"a": 1, "b": 2}),
        ({"a": 3, "b": 3}, 5, {"a": 2, "b": 3}),
        ({}, 5, {}),
    ],
)
def test_what_one_category_lacks_goes_to_the_others(sizes, limit, expected):
    assert even_shares(sizes, limit) == expected


def test_a_limit_below_one_is_a_usage_error(generated):
    with pytest.raises(UsageError, match="--limit 0"):
        select_rows(Asking(data=generated, limit=0))


def test_turns_ask_a_home_again_without_showing_it(folder):
    rows = select_rows(Asking(data=folder(made_up.RECORDS)), turns=5)
    (row,) = read(rows)
    pairs = [*row["history"], [row["instruction"], row["output"]]]
    assert "<home_state>" in pairs[0][0]
    assert all(asked.startswith("Which calls fit: ") for asked, _ in pairs[1:])
    assert "{kitchen.light.set_brightness(20)}" in [answer for _, answer in pairs]


def test_the_first_turn_is_what_an_evaluation_asks(generated):
    asked = {each["prompt"] for each in read_lines(Asking(data=generated, split="train"))}
    rows = read(select_rows(Asking(data=generated), turns=3))
    assert {(*row["history"], [row["instruction"], ""])[0][0] for row in rows} <= asked


def read_lines(asking):
    return [json.loads(line) for line in lines(select(asking), asking)]


def test_turns_use_every_record_once_and_stay_in_one_home(generated):
    rows = select_rows(Asking(data=generated), turns=3)
    names = [name.split() for name in rows.names]
    assert sorted(id_ for row in names for id_ in row) == sorted(r.id for r in rows.asked.records)
    assert all(len({id_.split("_")[0] for id_ in row}) == 1 for row in names)
    assert len(names) == len(read(rows))


def test_turns_mix_the_requests_of_a_home_by_the_seed(generated):
    mixed = [select_rows(Asking(data=generated, seed=s), turns=4).names for s in (1, 1, 2)]
    assert mixed[0] == mixed[1] != mixed[2]


@pytest.mark.parametrize(("mode", "turns"), [("zero-shot", 0), ("rag", 2)])
def test_turns_that_cannot_be_meant_are_usage_errors(generated, mode, turns):
    with pytest.raises(UsageError, match="--turns"):
        select_rows(Asking(data=generated, mode=mode), turns=turns)
