"""The lenient reading: form is forgiven, content is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.suites.homebench.scoring.lenient import read_lenient, tidied

ON, OFF = "kitchen.light.turn_on()", "kitchen.light.turn_off()"


def read(text):
    return list(read_lenient(text).operations)


def test_braces_are_read_where_there_are_any():
    assert read(f"```\n{OFF}\n``` <Machine instructions:> {{{ON}}}") == [ON]


def test_without_braces_the_answer_follows_the_prompts_last_line():
    text = f"<Machine instructions:> {OFF}\n<Machine instructions:> {ON},{OFF}"
    assert read(text) == [ON, OFF]


@pytest.mark.parametrize(
    "text",
    [
        f"Here:\n```\n{ON}\n```\nDone.",
        f"```python\n{ON}\n```",
        f"```\n{OFF}\n```\n```json\n{ON}\n```",
        f"```{ON}```",
        f"It is ```\n{ON}",
        f"<Machine instructions:>\n```\n{ON}\n```",
        f"```{OFF}``` <Machine instructions:> {ON}",
    ],
)
def test_without_braces_the_last_code_fence_is_read(text):
    assert read(text) == [ON]


def test_prose_alone_is_no_answer():
    reading = read_lenient(f"I would call {ON}.")
    assert (reading.operations, reading.parsed) == ((), False)


def test_semicolons_and_lines_separate_too():
    assert read(f"{{{ON};{OFF}\n{ON}}}") == [ON, OFF, ON]


@pytest.mark.parametrize(
    "written",
    [
        "a.b.set('x')",
        'a.b.set("x")',
        "a.b.set(mode=x)",
        "a.b.set(mode='x')",
        "`a.b.set(x)`",
        "a.b.set( x )",
    ],
)
def test_quotes_names_and_backticks_are_dropped_around_arguments(written):
    assert read(f"{{{written}}}") == ["a.b.set(x)"]


def test_every_argument_is_tidied():
    assert tidied("a.b.color(r=1,g='2',(3,4))") == "a.b.color(1,2,(3,4))"


@pytest.mark.parametrize("written", ["'error_input'", '"error_input"', "`error_input`"])
def test_quotes_around_error_input_are_dropped(written):
    assert read(f"{{{written}}}") == ["error_input"]


def test_nothing_is_worked_out_and_case_counts():
    assert read("{a.b.set(20+5),Error_Input}") == ["a.b.set(20+5)", "Error_Input"]


def test_full_width_marks_are_not_forgiven_either():
    assert read(f"{{{ON}，{OFF}}}") == [f"{ON}，{OFF}"]


def test_thinking_is_left_out():
    assert read(f"<think>```{OFF}```</think>```{ON}```") == [ON]


@given(st.text() | st.text("{}()'\"`=;,\nab.<think>", max_size=60))
def test_any_text_can_be_read(text):
    reading = read_lenient(text)
    assert reading.parsed or not reading.operations


@given(st.lists(st.sampled_from([ON, OFF, "error_input", "a.b.set_color(1,2,3)"])))
def test_a_well_formed_answer_reads_the_same(operations):
    assert read(f"{{{','.join(operations)}}}") == operations
