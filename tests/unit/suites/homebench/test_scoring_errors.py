"""What is said of a record that was missed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.suites.homebench.scoring.errors import KINDS, PAPER_TYPES, UNKNOWN, find_faults
from rdagent.suites.homebench.scoring.lenient import read_lenient
from rdagent.suites.homebench.scoring.operations import read_gold, read_strict

ON, OFF = "kitchen.light.turn_on()", "kitchen.light.turn_off()"
HOME = frozenset(
    {
        "kitchen.light.turn_on",
        "kitchen.light.turn_off",
        "kitchen.light.set_brightness",
        "kitchen.fan.turn_on",
        "garage.light.turn_on",
        "vacuum_robot.set_mode",
    }
)


def faults(prediction, gold, methods=HOME, request=None):
    return find_faults(
        read_strict(prediction), read_lenient(prediction), read_gold(gold), methods, request
    )


def kinds(prediction, gold, methods=HOME):
    return list(faults(prediction, gold, methods).kinds)


def test_a_match_has_no_faults():
    assert kinds(f"{{{ON}}}", ON) == []


@pytest.mark.parametrize("text", ["", None, "Sure!", f"{{{ON}", f"I would call {ON}."])
def test_an_answer_without_braces_is_unparsable_and_nothing_else(text):
    assert kinds(text, f"{ON},{OFF}") == ["unparsable"]


@pytest.mark.parametrize("text", [f"```\n{ON}\n```", f"{{`{ON}`}}"])
def test_right_operations_in_a_wrong_form_are_a_key_error_and_nothing_else(text):
    assert kinds(text, ON) == ["key_error"]


def test_what_is_wrong_beside_the_form_is_told_too():
    assert kinds(f"{{`{ON}`,error_input}}", f"{ON},{OFF}") == ["key_error", "refused_valid"]


def test_error_input_in_the_place_of_an_operation_is_a_refusal():
    assert kinds("{error_input}", ON) == ["refused_valid"]


def test_a_refusal_needs_one_error_input_too_many():
    assert kinds("{error_input}", f"{ON},error_input") == ["missing"]


@pytest.mark.parametrize(
    "operation",
    [
        "cellar.light.turn_on()",
        "kitchen.oven.turn_on()",
        "kitchen.light.sing()",
        "vacuum_robot.fly()",
    ],
)
def test_doing_what_the_home_does_not_have_is_accepting(operation):
    assert kinds(f"{{{operation}}}", "error_input") == ["accepted_invalid"]


def test_doing_something_else_that_is_there_in_the_place_of_a_refusal_is_missing_and_extra():
    assert kinds(f"{{{ON}}}", "error_input") == ["missing", "extra"]


def test_without_the_home_it_is_unknown_what_was_done_in_the_place_of_a_refusal():
    assert kinds(f"{{{ON}}}", "error_input", None) == [UNKNOWN]
    assert kinds("{cellar.light.turn_on()}", "error_input", None) == [UNKNOWN]


@pytest.mark.parametrize(
    ("answer", "gold", "kind"),
    [
        (OFF, ON, "wrong_method"),
        ("kitchen.fan.turn_on()", ON, "wrong_device"),
        ("garage.light.turn_on()", ON, "wrong_device"),
        ("kitchen.light.set_brightness(4)", "kitchen.light.set_brightness(5)", "wrong_value"),
        (f"{ON},{OFF}", ON, "extra"),
        (ON, f"{ON},{OFF}", "missing"),
        (ON, f"{ON},{ON}", "missing"),
        (f"{ON},turn it on", ON, "extra"),
        ("", ON, "missing"),
    ],
)
def test_other_kinds_do_not_need_the_home(answer, gold, kind):
    assert kinds(f"{{{answer}}}", gold) == kinds(f"{{{answer}}}", gold, None) == [kind]


def test_the_most_alike_are_paired_first():
    gold = "kitchen.light.set_brightness(5),kitchen.fan.turn_on()"
    answer = "{garage.light.turn_on(),kitchen.light.set_brightness(4)}"
    assert kinds(answer, gold) == ["wrong_device", "wrong_value"]


def test_a_record_shows_every_kind_that_it_has():
    gold = f"{ON},error_input,kitchen.light.set_brightness(5)"
    answer = (
        "{kitchen.oven.sing(),kitchen.light.set_brightness(4),garage.light.turn_on(),"
        "kitchen.fan.turn_on()}"
    )
    assert kinds(answer, gold) == ["accepted_invalid", "wrong_device", "wrong_value", "extra"]


@pytest.mark.parametrize(
    ("request_", "change"),
    [
        ("Dim the kitchen light by 20 percent.", "relative"),
        ("Set the kitchen light to 20.", "absolute"),
        ("Raise the kitchen light a bit.", "relative"),
        ("把厨房的灯调亮20", "relative"),
        ("把厨房的灯的亮度调到20", "absolute"),
        ("Kitchen light, 20.", "undecided"),
        (None, "undecided"),
    ],
)
def test_a_wrong_value_says_how_it_was_asked_for(request_, change):
    gold = "kitchen.light.set_brightness(5)"
    found = faults("{kitchen.light.set_brightness(6)}", gold, HOME, request_)
    assert found.value_changes == (change,)


def test_the_clause_of_the_wrong_value_is_the_one_that_is_looked_at():
    gold = f"{ON},kitchen.light.set_brightness(5)"
    request = "Turn on the kitchen light to the full and dim the kitchen light by 4."
    found = faults(f"{{{ON},kitchen.light.set_brightness(6)}}", gold, HOME, request)
    assert found.value_changes == ("relative",)


def test_each_kind_of_the_papers_is_made_of_ours():
    assert set(PAPER_TYPES) < set(KINDS)
    assert len(KINDS) == 9


OPERATION = st.sampled_from(
    [
        ON,
        OFF,
        "error_input",
        "garage.light.turn_on()",
        "kitchen.light.set_brightness(1)",
        "x",
    ]
)
ANSWER = st.lists(OPERATION, max_size=6).map(lambda all_: f"{{{','.join(all_)}}}") | st.text()


@given(ANSWER, st.lists(OPERATION, max_size=6), st.booleans())
def test_a_record_has_kinds_exactly_when_it_is_missed(prediction, gold, known):
    from rdagent.suites.homebench.scoring.score import score

    missed = not score(prediction, ",".join(gold)).em
    assert bool(kinds(prediction, ",".join(gold), HOME if known else None)) == missed


@given(st.lists(OPERATION, max_size=6), st.lists(OPERATION, max_size=6), st.data())
def test_the_order_of_an_answer_does_not_change_its_kinds(answer, gold, data):
    other = data.draw(st.permutations(answer))
    first, second = (kinds(f"{{{','.join(each)}}}", ",".join(gold)) for each in (answer, other))
    assert first == second
