"""Answers in a file: what was written is what is read, and nothing else is."""

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rdagent.errors import ResultError
from rdagent.records.keys import canonical, digest_of
from rdagent.records.ledger import (
    LEDGER_FILE,
    Answer,
    Ledger,
    LedgerDamaged,
    LedgerWriter,
    Output,
    decode,
    dump,
    encode,
    read_ledger,
    recover,
)
from rdagent.records.plan import Request

TEXTS = st.text(st.characters(codec=None))
NUMBERS = st.floats() | st.just(0)
OUTPUTS = st.builds(
    Output,
    text=TEXTS,
    finish_reason=st.none() | st.sampled_from(["stop", "length"]),
    n_tokens=st.none() | st.integers(0),
    token_ids=st.none() | st.lists(st.integers()).map(tuple),
    logprobs=st.none() | st.lists(NUMBERS).map(tuple),
)
ANSWERS = st.builds(
    Answer,
    key=st.text("0123456789abcdef", min_size=64, max_size=64),
    draw=st.integers(0, 9),
    kind=st.sampled_from(["loglikelihood", "rolling", "generate", "sample"]),
    outputs=st.lists(OUTPUTS, max_size=3).map(tuple),
    value=st.none() | NUMBERS | st.tuples(NUMBERS, st.booleans()),
    prompt_tokens=st.none() | st.integers(0),
    truncated=st.booleans(),
    seconds=st.integers(0, 10**6).map(lambda number: number / 10_000),
    error=st.none() | TEXTS,
    chunk=st.integers(0),
    batch=TEXTS,
)


def key(number: int) -> str:
    return f"{number:012x}".ljust(64, "f")


def answer(number: int, text: str = "yes", *, chunk: int = 0) -> Answer:
    return Answer(key(number), 0, "generate", (Output(text),), chunk=chunk)


def same(one: Answer, other: Answer) -> bool:
    """Compare by representation: NaN is as good as NaN, and 0 is not 0.0."""
    return repr(one) == repr(other)


def write(path, *answers):
    writer = LedgerWriter(path)
    writer.append(answers)
    writer.close()
    return path


@given(ANSWERS)
def test_an_answer_is_read_as_it_was_written(written):
    assert same(decode(encode(written).encode(), "line 1"), written)


@given(ANSWERS)
def test_a_line_is_ascii_and_one_line_whatever_the_text(written):
    line = encode(written)
    assert line.isascii()
    assert len(line.splitlines()) == 1


@given(ANSWERS, st.data())
def test_a_line_of_which_a_byte_was_changed_is_refused(written, data):
    line = bytearray(encode(written).encode())
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    try:
        read = decode(bytes(line), "line 1")
    except LedgerDamaged:
        return
    assert same(read, written), "a change that is read must change nothing"


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(lambda document: json.dumps(document).encode())
)
@example(b'{"key": 1e999, "sum": "x"}')
def test_whatever_a_stranger_wrote_is_refused_with_its_place(line):
    with pytest.raises(LedgerDamaged, match="line 7"):
        decode(line, "line 7")


@pytest.mark.parametrize(
    "change",
    [
        {"value": [1.0]},
        {"value": "one"},
        {"value": True},
        {"kind": "guess"},
        {"draw": "0"},
        {"v": 2},
        {"outputs": [{"text": 1}]},
        {"outputs": [{"text": "a", "token_ids": ["b"]}]},
        {"outputs": [{"text": "a", "logprobs": 7}]},
    ],
)
def test_a_line_with_a_right_sum_and_wrong_fields_is_refused(change):
    document = {**json.loads(encode(answer(1))), **change}
    del document["sum"]
    line = canonical({**document, "sum": digest_of(document)[:16]}).encode()
    with pytest.raises(LedgerDamaged, match="line 1"):
        decode(line, "line 1")


def test_a_changed_answer_is_named_by_its_key(tmp_path):
    path = write(tmp_path / LEDGER_FILE, answer(1), answer(0xABC))
    path.write_bytes(path.read_bytes().replace(b'"yes"', b'"no!"').replace(b"no!", b"yes", 1))
    with pytest.raises(LedgerDamaged, match=r"line 2 .* request 000000000abc"):
        read_ledger(path)


def test_two_answers_that_differ_are_named_by_their_key(tmp_path):
    path = write(tmp_path / LEDGER_FILE, answer(1), answer(2), answer(1, "no"))
    with pytest.raises(LedgerDamaged, match="two different answers to request 000000000001"):
        read_ledger(path)
    with pytest.raises(LedgerDamaged, match="two different answers"):
        recover(path, {answer(1).name: 0, answer(2).name: 0})


def test_an_answer_that_stands_there_twice_is_counted(tmp_path):
    path = write(tmp_path / LEDGER_FILE, answer(1), answer(1), answer(2), answer(1))
    ledger = read_ledger(path)
    assert (len(ledger.answers), ledger.duplicates) == (2, 2)


def test_the_same_answer_given_by_another_batch_is_the_same():
    ledger = Ledger()
    ledger.add(Answer("k", 0, "rolling", value=math.nan, batch="1", seconds=1.0))
    ledger.add(Answer("k", 0, "rolling", value=math.nan, batch="8", chunk=3))
    assert ledger.duplicates == 1


def test_a_draw_is_another_request():
    ledger = Ledger()
    ledger.add(Answer("k", 0, "generate", (Output("a"),)))
    ledger.add(Answer("k", 1, "generate", (Output("b"),)))
    assert len(ledger.answers) == 2


def test_an_answer_that_was_deleted_is_missing(tmp_path):
    path = write(tmp_path / LEDGER_FILE, answer(1), answer(2), answer(3))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    asked = [Request("generate", key(n), 0, ("a", {}), 0) for n in (1, 2, 3)]
    assert [one.key for one in read_ledger(path).missing(asked)] == [key(2)]


def test_a_line_that_is_cut_off_is_refused_where_nothing_was_killed(tmp_path):
    path = write(tmp_path / LEDGER_FILE, answer(1), answer(2))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(LedgerDamaged, match=r"line 2 .* cut off"):
        read_ledger(path)


@given(st.integers(0, 12), st.data())
def test_a_kill_costs_the_chunk_that_was_being_written(tmp_path_factory, count, data):
    answers = [answer(number, chunk=number // 3) for number in range(count)]
    content = dump(answers)
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.mktemp("cut") / LEDGER_FILE
    path.write_bytes(content[:cut])
    whole_lines = content[:cut].count(b"\n")
    found = recover(path, {one.name: one.chunk for one in answers})
    # A chunk counts when every one of its answers is there, the last one smaller than three.
    kept = [
        a for a in answers if all(b in answers[:whole_lines] for b in answers if b.chunk == a.chunk)
    ]
    assert list(found.kept) == kept
    assert found.dropped == whole_lines - len(kept)
    assert found.torn is (content[:cut][-1:] not in (b"", b"\n"))


def test_answers_to_what_is_not_asked_are_left_out(tmp_path):
    path = write(tmp_path / LEDGER_FILE, answer(1), answer(2))
    found = recover(path, {answer(2).name: 0})
    assert [one.name for one in found.kept] == [answer(2).name]


def test_of_an_unfinished_chunk_answers_are_kept_where_chunks_do_not_matter(tmp_path):
    path = write(tmp_path / LEDGER_FILE, answer(1))
    chunks = {answer(1).name: 0, answer(2).name: 0}
    assert recover(path, chunks).kept == ()
    assert len(recover(path, chunks, whole=False).kept) == 1


def test_damage_before_the_last_line_is_no_kill(tmp_path):
    path = write(tmp_path / LEDGER_FILE, answer(1), answer(2))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0][:-9] + b"\n" + lines[1])
    with pytest.raises(LedgerDamaged, match="line 1"):
        recover(path, {answer(1).name: 0, answer(2).name: 0})


def test_a_link_in_the_place_of_a_ledger_is_not_followed(tmp_path):
    path = write(tmp_path / "elsewhere", answer(1))
    (tmp_path / LEDGER_FILE).symlink_to(path)
    with pytest.raises(ResultError):
        read_ledger(tmp_path / LEDGER_FILE)
    with pytest.raises(ResultError):
        recover(tmp_path / LEDGER_FILE, {})


def test_what_is_appended_comes_after_what_was_there(tmp_path):
    write(tmp_path / LEDGER_FILE, answer(1))
    write(tmp_path / LEDGER_FILE, answer(2))
    assert list(read_ledger(tmp_path / LEDGER_FILE).answers) == [answer(1).name, answer(2).name]
