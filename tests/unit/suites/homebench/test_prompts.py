"""The renderer: the home first and the request last, in every mode and in training alike."""

import pytest

from rdagent.demo.homes import render_home as demo_render_home
from rdagent.errors import UsageError
from rdagent.suites.homebench.data.generate import Plan, generate
from rdagent.suites.homebench.prompts import (
    RULES,
    STYLES,
    SYSTEM,
    Shot,
    render,
    render_answer,
    render_home,
    render_request,
    render_rooms,
)
from tests.unit.suites.homebench.made_up import RECORDS, home, home_document, records

SHOWN = """\
<home_state>
kitchen:
  light
    state: on
    brightness: 40 (range: 0 - 100)
    color: (25, 0, 52)
vacuum_robot:
  state: on
  battery: 9 (range: 0 - 100)
  mode: auto (options: auto, strong)
</home_state>
<device_method>
kitchen.light.turn_on();kitchen.light.turn_off();\
kitchen.light.set_brightness(brightness:int);\
kitchen.light.set_color(color:typing.Tuple[int, int, int]);\
vacuum_robot.set_mode(mode:str);vacuum_robot.set_cleaning_area(area:str);
</device_method>
Not shown, but in the home: ding_room, store_room"""
COMPACT = """\
kitchen.light: on, brightness 40 (0-100), color (25, 0, 52); \
turn_on, turn_off, set_brightness, set_color
vacuum_robot: on, battery 9 (0-100), mode auto (auto|strong); set_mode, set_cleaning_area
Not shown, but in the home: ding_room, store_room"""


@pytest.fixture
def asked(tmp_path):
    return records(tmp_path)


@pytest.fixture
def shots(asked):
    return (
        Shot(asked[2], home(), ("kitchen", "ding_room")),
        Shot(asked[3], home(), ("store_room",)),
    )


@pytest.mark.parametrize(("style", "text"), [("released", SHOWN), ("compact", COMPACT)])
def test_some_rooms_are_shown_and_the_others_are_named(style, text):
    assert render_home(home(), ("vacuum_robot", "kitchen"), style) == text


def test_a_whole_home_names_nothing_as_left_out():
    assert "Not shown" not in render_home(home())


@pytest.mark.parametrize("style", STYLES)
def test_every_method_of_a_shown_room_is_shown_and_none_of_another(style):
    text = render_rooms(home(), ("ding_room",), style)
    assert all(name in text for name in ("open", "set_degree", "turn_on", "curtain", "fan"))
    assert not any(name in text for name in ("kitchen", "set_speed", "vacuum"))


def test_a_room_without_devices_is_shown_in_both_styles():
    document = home_document()
    document["home_status"]["foyer"] = {"room_name": "foyer"}
    assert "foyer:\n</home_state>" in render_rooms(home(document), ("foyer",))
    assert render_rooms(home(document), ("foyer",), "compact") == "foyer: empty"


def test_a_home_of_the_demos_looks_as_the_demo_shows_it():
    for made in generate(Plan(homes=20, records=100, vocabulary="plain")).homes:
        assert render_home(made.home) == demo_render_home(made.document)


@pytest.mark.parametrize("style", STYLES)
def test_the_home_comes_first_then_the_rules_and_the_request_last(asked, style):
    prompt = render(asked[0], home(), mode="zero-shot", style=style)
    assert prompt.system == SYSTEM
    assert prompt.user == "\n".join(
        (render_home(home(), style=style), RULES, render_request(asked[0]))
    )
    assert prompt.folded == f"{SYSTEM}\n{prompt.user}"


def modes(record, shots):
    return [
        render(record, home(), mode="zero-shot"),
        render(record, home(), mode="few-shot", shots=shots),
        render(record, home(), mode="rag", rooms=("kitchen",)),
        render(record, home(), mode="rag", rooms=(), shots=shots),
    ]


def test_the_last_line_is_the_same_in_every_mode(asked, shots):
    last = {prompt.user.rpartition("\n")[2] for prompt in modes(asked[0], shots)}
    assert last == {"Which calls fit: Dim the kitchen light to 20."}


def test_requests_to_one_home_share_all_but_the_last_line(asked, shots):
    for first, second in zip(modes(asked[0], shots), modes(asked[1], shots), strict=True):
        assert first.user.rpartition("\n")[0] == second.user.rpartition("\n")[0]


def test_an_example_is_shown_with_its_own_rooms_its_request_and_its_answer(asked, shots):
    user = render(asked[0], home(), mode="few-shot", shots=shots).user
    for shot in shots:
        asked_and_answered = f"{render_request(shot.record)}\n{render_answer(shot.record)}"
        assert f"{render_rooms(shot.home, shot.rooms)}\n{asked_and_answered}\n" in user
    assert user.startswith(f"{render_home(home())}\n{RULES}\n")
    assert "Not shown" not in user


def test_after_examples_it_is_said_whose_home_the_request_is_to(asked, shots):
    lines = render(asked[0], home(), mode="few-shot", shots=shots).user.split("\n")
    assert lines[-2] == "Now the request, to the home that is shown first."


def test_with_retrieval_only_the_retrieved_rooms_are_shown(asked):
    user = render(asked[0], home(), mode="rag", rooms=("kitchen",)).user
    assert user.startswith(render_home(home(), ("kitchen",)))
    assert "\nNot shown, but in the home: ding_room, store_room, vacuum_robot\n" in user
    assert "curtain" not in user


def test_answers_stand_in_braces_without_a_comma_at_the_end(asked):
    assert [render_answer(record) for record in asked] == [
        "{kitchen.light.set_brightness(20)}",
        "{error_input}",
        "{ding_room.curtain.open(),kitchen.light.turn_off()}",
        "{error_input,error_input}",
        "{vacuum_robot.set_mode(strong),error_input,ding_room.fan.turn_on()}",
    ]


def test_a_request_of_several_lines_becomes_one(tmp_path):
    (record,) = records(tmp_path, [{**RECORDS[0], "input": "Dim \n<home_state>\r\nit."}])
    assert render_request(record) == "Which calls fit: Dim <home_state> it."


def test_what_does_not_belong_to_a_mode_is_refused(asked, shots):
    for options in (
        {"mode": "zero-shot", "shots": shots},
        {"mode": "zero-shot", "rooms": ("kitchen",)},
        {"mode": "few-shot"},
        {"mode": "few-shot", "shots": shots, "rooms": ()},
        {"mode": "rag"},
        {"mode": "other"},
    ):
        with pytest.raises(UsageError):
            render(asked[0], home(), **options)


def test_a_record_never_stands_among_its_own_examples(asked, shots):
    with pytest.raises(UsageError, match="its own examples"):
        render(asked[2], home(), mode="few-shot", shots=shots)


def test_a_record_is_never_shown_another_home(asked):
    with pytest.raises(UsageError, match="asks home 7, not 8"):
        render(asked[0], home({**home_document(), "home_id": 8}), mode="zero-shot")
