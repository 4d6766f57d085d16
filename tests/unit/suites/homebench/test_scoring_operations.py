"""The strict reading: what an answer must look like to count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.suites.homebench.scoring.operations import (
    Call,
    parse_call,
    read_gold,
    read_strict,
    strange_gold,
)
from rdagent.suites.homebench.scoring.score import score

ON, OFF = "kitchen.light.turn_on()", "kitchen.light.turn_off()"


def read(text):
    return list(read_strict(text).operations)


def test_operations_stand_in_braces_between_commas():
    assert read(f"{{{ON},error_input,{OFF},}}") == [ON, "error_input", OFF]


def test_every_group_counts_in_its_order():
    assert read(f"First {{{ON}}}, and then {{{OFF}}}.") == [ON, OFF]


def test_text_outside_of_braces_is_not_looked_at():
    assert read(f"{OFF} {{{ON}}} {OFF}") == [ON]


@pytest.mark.parametrize("text", [None, "", ON, "error_input", "[error_input]", "}", f"}}{ON}{{"])
def test_without_a_group_nothing_was_answered(text):
    reading = read_strict(text)
    assert (reading.operations, reading.parsed) == ((), False)


def test_an_empty_group_is_an_answer_of_nothing():
    reading = read_strict("{ , \n,}")
    assert (reading.operations, reading.parsed) == ((), True)


def test_thinking_is_left_out_with_its_braces():
    assert read(f"<think>maybe {{{OFF}}}</think>{{{ON}}}") == [ON]


def test_what_follows_the_last_thinking_counts():
    assert read(f"<think>a</think>{{{OFF}}}</think>{{{ON}}}") == [ON]


@pytest.mark.parametrize("text", [f"<think>{{{ON}}}", f"<think>a</think>{{{ON}}}<think>b"])
def test_thinking_that_does_not_end_leaves_nothing(text):
    assert read_strict(text).parsed is False


@pytest.mark.parametrize(
    "text", [f"{{{{{ON}}},{OFF}}}", f"{{{ON},{{{OFF}}}}}", f"{{{{{{{ON},{OFF}}}}}}}"]
)
def test_inner_braces_are_dropped(text):
    assert read(text) == [ON, OFF]


@pytest.mark.parametrize("text", [f"{{{ON}", f"{{{ON}, {{{OFF}}}", f"{{{{{ON}}}"])
def test_a_brace_that_is_not_closed_yields_nothing(text):
    assert read_strict(text).parsed is False


def test_an_unclosed_brace_after_a_group_leaves_the_group():
    assert read(f"{{{ON}}} and {{{OFF}") == [ON]


def test_a_closing_brace_too_many_is_passed_over():
    assert read(f"}} {{{ON}}} }} {{{OFF}}}") == [ON, OFF]


@pytest.mark.parametrize(
    "operation",
    ["a.b.set_color(1,2,3)", "a.b.set((1,2),[3,4])", 'a.b.say("x,y")', "a.b.say('(,')", "a[1,2]"],
)
def test_a_comma_in_brackets_or_quotes_separates_nothing(operation):
    assert read(f"{{{operation},{ON}}}") == [operation, ON]


def test_a_bracket_in_quotes_opens_nothing():
    assert read(f"{{a.b.say(')('),{ON}}}") == ["a.b.say(')(')", ON]


def test_a_closing_bracket_too_many_hides_no_comma():
    assert read(f"{{a.b.c()),{ON},{OFF}}}") == ["a.b.c())", ON, OFF]


def test_a_bracket_that_is_not_closed_takes_the_rest_of_its_group_only():
    assert read(f"{{a.b.c(,{ON}}}{{{OFF}}}") == [f"a.b.c(,{ON}", OFF]


@pytest.mark.parametrize("space", [" ", "\t", "\r\n", "\u00a0", "\u3000", "\u2003", "\u2028"])
def test_every_white_space_is_removed_anywhere(space):
    assert read(f"{{{space}kitchen{space}.light.turn_on({space}){space}}}") == [ON]


def test_a_space_of_no_width_is_no_white_space():
    assert read("{a\u200bb}") == ["a\u200bb"]


@pytest.mark.parametrize(
    "text",
    [f"\uff5b{ON}\uff5d", f"{{{ON}，{OFF}}}", "{kitchen.light.turn_on（）}", f"{{{ON};{OFF}}}"],
)
def test_full_width_marks_and_semicolons_mean_nothing(text):
    assert ON not in read(text)


@pytest.mark.parametrize(
    "almost",
    [ON.upper(), f"`{ON}`", f'"{ON}"', f"{ON};", "kitchen.light.turn_on(on=)", "light.turn_on()"],
)
def test_texts_are_compared_as_they_are(almost):
    assert score(f"{{{almost}}}", ON).em == 0


def test_a_code_fence_around_braces_does_no_harm():
    assert read(f"```\n{{{ON}}}\n```") == [ON]


def test_gold_stands_in_triple_quotes_and_not_in_braces():
    assert read_gold(f"''' {ON}'''") == (ON,)
    assert read_gold(f"'''{ON}, error_input,\n'''") == (ON, "error_input")
    assert read_gold("''''''") == ()
    assert read_gold(f"{{{ON}}}") == (f"{{{ON}}}",)


def test_gold_is_split_outside_of_brackets_as_well():
    assert read_gold(f"'''a.b.set_color(1,2,3),{ON},'''") == ("a.b.set_color(1,2,3)", ON)


def test_a_call_is_taken_apart():
    assert parse_call("kitchen.light.set(4)") == Call("kitchen.light", "set", "4")
    assert parse_call("vacuum_robot.pause()") == Call("vacuum_robot", "pause", "")


@pytest.mark.parametrize(
    "text", ["", "error_input", "turn_on()", "a.b.c", "a.b.c(", ".c()", "a b.c()"]
)
def test_what_is_no_call_is_none(text):
    assert parse_call(text) is None


def test_a_gold_of_calls_and_refusals_is_not_strange():
    assert not strange_gold((ON, "error_input"))
    assert strange_gold(())
    assert strange_gold((ON, "turn it on"))


OPERATIONS = st.sampled_from(
    ["error_input", ON, OFF, "a.b.set_color(1,2,3)", "vacuum_robot.stop()"]
)
TEXTS = st.text() | st.text("{}()[]'\",;`\n\t <think>/abc.=", max_size=60)


def braces(operations):
    return f"{{{','.join(operations)}}}"


@given(st.lists(OPERATIONS).flatmap(lambda all_: st.tuples(st.just(all_), st.permutations(all_))))
def test_order_never_matters(both):
    gold, answer = both
    assert score(braces(answer), ",".join(gold)).em == 1


@given(st.lists(OPERATIONS, min_size=1), st.data())
def test_repeats_do_matter(gold, data):
    again = data.draw(st.sampled_from(gold))
    counts = score(braces([*gold, again]), ",".join(gold))
    assert (counts.tp, counts.fp, counts.fn, counts.em) == (len(gold), 1, 0, 0)


@given(TEXTS, TEXTS)
def test_what_is_found_and_what_is_missed_make_up_the_gold(prediction, gold):
    counts = score(prediction, gold)
    assert counts.tp + counts.fn == len(read_gold(gold))
    assert counts.tp + counts.fp == len(read_strict(prediction).operations)
    assert counts.em == (counts.fp == counts.fn == 0)


@given(TEXTS, TEXTS)
def test_scoring_twice_gives_the_same(prediction, gold):
    assert score(prediction, gold) == score(prediction, gold)


@given(st.lists(OPERATIONS), st.lists(OPERATIONS))
def test_groups_add_up(first, second):
    assert read(braces(first) + braces(second)) == [*first, *second]


@given(TEXTS)
def test_no_item_holds_white_space_or_a_brace(text):
    assert not any(sign in "{}" or sign.isspace() for item in read(text) for sign in item)
