"""Files that survive crashes, strangers and concurrent writers."""

import json
import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.errors import RefusedError, ResultError
from rdagent.files import atomic, digests, untrusted
from rdagent.files.locks import file_lock
from rdagent.files.paths import contained
from rdagent.files.printable import last_lines, one_line, printable
from rdagent.files.redaction import MASK, redact_environment


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    atomic.write_text(path, "old")
    with pytest.raises(TypeError), atomic.replaced(path) as sink:
        sink.write("text, not bytes")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_link_at_the_target_is_replaced_and_not_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    link = tmp_path / "link"
    link.symlink_to(victim)
    atomic.write_text(link, "new")
    assert victim.read_text() == "precious"
    assert not link.is_symlink()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_that_is_written_holds_no_nan(tmp_path, number):
    with pytest.raises(ValueError):
        atomic.write_json(tmp_path / "a.json", {"x": number})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_untrusted_json_with_a_constant_that_json_lacks_is_refused(tmp_path, constant):
    path = tmp_path / "r.json"
    path.write_text(f'{{"x": {constant}}}')
    with pytest.raises(ResultError, match=constant.lstrip("-")):
        untrusted.read_json(path)


def test_an_untrusted_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("{}")
    link = tmp_path / "r.json"
    link.symlink_to(tmp_path / "secret")
    with pytest.raises(ResultError, match="cannot be opened"):
        untrusted.read_json(link)


def test_an_untrusted_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "r.json")
    with pytest.raises(ResultError, match="not a regular file"):
        untrusted.read_json(tmp_path / "r.json")


def test_an_untrusted_file_with_a_second_name_is_refused(tmp_path):
    (tmp_path / "passwd").write_text("{}")
    os.link(tmp_path / "passwd", tmp_path / "r.json")
    with pytest.raises(ResultError, match="2 names"):
        untrusted.read_json(tmp_path / "r.json")


def test_an_untrusted_file_over_the_limit_is_refused(tmp_path):
    (tmp_path / "r.json").write_text("[" + "1," * 100 + "1]")
    with pytest.raises(ResultError, match="at most 50"):
        untrusted.read_json(tmp_path / "r.json", limit=50)


def test_deeply_nested_json_is_a_result_error_and_no_crash(tmp_path):
    (tmp_path / "r.json").write_text("[" * 200_000)
    with pytest.raises(ResultError):
        untrusted.read_json(tmp_path / "r.json")


def test_a_torn_line_is_named_by_its_number(tmp_path):
    (tmp_path / "s.jsonl").write_text('{"a": 1}\n{"a"')
    lines = untrusted.read_json_lines(tmp_path / "s.jsonl")
    assert next(lines) == {"a": 1}
    with pytest.raises(ResultError, match="line 2"):
        next(lines)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_a_name_that_leaves_its_folder_is_refused(tmp_path, name):
    with pytest.raises(RefusedError):
        contained(tmp_path, name)


def test_a_name_that_leads_out_through_a_link_is_refused(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "out").symlink_to(tmp_path)
    with pytest.raises(RefusedError, match="through a link"):
        contained(inner, "out/x")


def test_a_lock_is_held_by_one_at_a_time_and_says_who_holds_it(tmp_path):
    order, holders = [], []

    def second():
        with file_lock(tmp_path / "l", holders.append):
            order.append("second")

    with file_lock(tmp_path / "l"):
        thread = threading.Thread(target=second)
        thread.start()
        while not holders:
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert holders == [f"process {os.getpid()}"]


def test_the_digest_of_texts_knows_where_one_ends():
    assert digests.text_digest("ab", "c") != digests.text_digest("a", "bc")


@given(st.text())
def test_printable_text_has_no_escape_and_no_control_character(text):
    shown = printable(text)
    assert "\x1b" not in shown
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    json.dumps(shown).encode()
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\rb", "a\nb"),
        ("\u202etxt.exe", "\ufffdtxt.exe"),
        ("中文 stays", "中文 stays"),
    ],
)
def test_what_a_terminal_would_obey_is_gone(raw, shown):
    assert printable(raw) == shown


def test_one_line_is_short_and_flat():
    assert one_line("a\n b\tc" + "x" * 300, 10) == "a b cxxxx…"


def test_last_lines_pass_over_blank_ones():
    assert last_lines("a\n\nb\n \nc\n", 2) == "b\nc"


def test_values_of_secret_variables_are_masked():
    shown = redact_environment({"HF_TOKEN": "hf_x", "api_key": "k", "BATCH_SIZE": "4", "TOKEN": ""})
    assert shown == {"HF_TOKEN": MASK, "api_key": MASK, "BATCH_SIZE": "4", "TOKEN": ""}


def test_a_variable_that_only_sounds_like_a_secret_is_shown():
    assert redact_environment({"TOKENIZERS_PARALLELISM": "false"}) == {
        "TOKENIZERS_PARALLELISM": "false"
    }
