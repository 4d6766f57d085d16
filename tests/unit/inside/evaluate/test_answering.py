"""Answers to a plan: what is known is kept, the rest is asked, and a kill costs a chunk."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rdagent.inside.evaluate import answering
from rdagent.inside.evaluate.engine import EngineBroken
from rdagent.records.ledger import (
    LEDGER_FILE,
    Answer,
    Ledger,
    LedgerWriter,
    Output,
    dump,
    read_ledger,
)
from rdagent.records.plan import Request
from rdagent.records.progress import ProgressLog

CHUNK = 3


def plan(count: int) -> list[Request]:
    return [Request("generate", f"{n:012x}", 0, (f"q{n}", {}), n // CHUNK, 5) for n in range(count)]


def said(request: Request, text: str | None = None) -> Answer:
    output = Output(text or f"to {request.arguments[0]}", "stop")
    return Answer(request.key, request.draw, request.kind, (output,), chunk=request.chunk)


class Engine:
    """Answers, breaks on some prompts, and can end for good in one of its calls."""

    def __init__(
        self,
        breaks_on: str = "",
        dies_in_call: int | None = None,
        dies_of: type[Exception] = MemoryError,
    ) -> None:
        self.breaks_on, self.dies_in_call, self.dies_of = breaks_on, dies_in_call, dies_of
        self.calls: list[list[str]] = []

    def answer(self, requests: Sequence[Request], on_answer: Callable[[], None]) -> list[Answer]:
        self.calls.append([one.arguments[0] for one in requests])
        if len(self.calls) == self.dies_in_call:
            raise self.dies_of("no more")
        if self.breaks_on in self.calls[-1]:
            raise ValueError(f"cannot read {self.breaks_on}")
        for _ in requests:
            on_answer()
        return [said(one) for one in requests]


def answer(engine: Any, requests: list[Request], folder: Path, known: Ledger) -> list[Answer]:
    progress = ProgressLog(folder, "v", len(requests), len(known.answers))
    return answering.answer(engine, requests, known, folder / LEDGER_FILE, progress)


def test_each_chunk_is_asked_by_itself_and_written_in_order(tmp_path):
    engine, requests = Engine(), plan(7)
    assert answer(engine, requests, tmp_path, Ledger()) == []
    assert engine.calls == [["q0", "q1", "q2"], ["q3", "q4", "q5"], ["q6"]]
    assert list(read_ledger(tmp_path / LEDGER_FILE).answers) == [one.name for one in requests]


def test_what_was_answered_before_the_end_is_on_the_disk(tmp_path):
    with pytest.raises(MemoryError):
        answer(Engine(dies_in_call=3), plan(9), tmp_path, Ledger())
    assert len(read_ledger(tmp_path / LEDGER_FILE).answers) == 2 * CHUNK


def test_after_an_end_only_the_rest_is_asked(tmp_path):
    requests, kept, after = plan(9), tmp_path / "kept", tmp_path / "after"
    with pytest.raises(MemoryError):
        answer(Engine(dies_in_call=2), requests, kept, Ledger())
    known = answering.take_up(after, kept, requests)
    engine = Engine()
    answer(engine, requests, after, known.ledger)
    assert [len(call) for call in engine.calls] == [3, 3]
    assert (known.resumed, known.reused, known.dropped, known.torn) == (3, 0, 0, False)
    assert set(read_ledger(after / LEDGER_FILE).answers) == {one.name for one in requests}


def write(path: Path, *answers: Answer) -> None:
    writer = LedgerWriter(path)
    writer.append(answers)
    writer.close()


def test_an_unfinished_chunk_is_dropped_and_counted(tmp_path):
    requests = plan(6)
    write(tmp_path / "kept" / LEDGER_FILE, *(said(one) for one in requests[:5]))
    known = answering.take_up(tmp_path, tmp_path / "kept", requests)
    assert (len(known.ledger.answers), known.dropped) == (3, 2)


def test_of_another_run_whatever_is_asked_here_is_taken_into_our_chunks(tmp_path):
    requests = plan(6)
    theirs = Answer(requests[4].key, 0, "generate", (Output("theirs"),), chunk=77)
    stranger = said(Request("generate", "ff", 0, ("else", {}), 0))
    write(tmp_path / "kept" / answering.REUSED_FILE, theirs, stranger)
    known = answering.take_up(tmp_path, tmp_path / "kept", requests)
    assert (known.reused, known.resumed) == (1, 0)
    assert known.ledger.answers[requests[4].name].chunk == requests[4].chunk
    assert read_ledger(tmp_path / LEDGER_FILE).answers == known.ledger.answers


def test_this_runs_own_answer_comes_before_another_runs(tmp_path):
    requests = plan(3)
    write(tmp_path / "kept" / LEDGER_FILE, *(said(one) for one in requests))
    write(tmp_path / "kept" / answering.REUSED_FILE, *(said(one, "other") for one in requests))
    known = answering.take_up(tmp_path, tmp_path / "kept", requests)
    assert (known.resumed, known.reused) == (3, 0)
    assert {one.outputs[0].text for one in known.ledger.answers.values()} == {
        "to q0",
        "to q1",
        "to q2",
    }


def test_a_request_that_the_engine_breaks_on_is_found_and_the_others_are_answered(tmp_path):
    requests, known = plan(6), Ledger()
    (broken,) = answer(Engine(breaks_on="q4"), requests, tmp_path, known)
    assert broken.key == requests[4].key
    assert broken.error == "ValueError: cannot read q4"
    assert [a.outputs[0].text for a in known.answers.values() if a.error is None] == [
        f"to q{n}" for n in (0, 1, 2, 3, 5)
    ]


def test_what_broke_is_asked_again_the_next_time(tmp_path):
    requests, kept = plan(3), tmp_path / "kept"
    answer(Engine(breaks_on="q1"), requests, kept, Ledger())
    known = answering.take_up(tmp_path, kept, requests)
    assert [one.arguments[0] for one in known.ledger.missing(requests)] == ["q1"]


def test_a_lack_of_memory_is_nobodys_fault_and_ends_it(tmp_path):
    with pytest.raises(MemoryError):
        answer(Engine(dies_in_call=1), plan(3), tmp_path, Ledger())
    assert (tmp_path / LEDGER_FILE).read_bytes() == b""


def test_an_engine_that_failed_itself_is_not_asked_again(tmp_path):
    engine = Engine(dies_in_call=2, dies_of=EngineBroken)
    with pytest.raises(EngineBroken):
        answer(engine, plan(9), tmp_path, Ledger())
    assert len(engine.calls) == 2
    assert len(read_ledger(tmp_path / LEDGER_FILE).answers) == CHUNK


def test_where_nothing_is_asked_again_an_unfinished_chunk_is_kept(tmp_path):
    requests = plan(6)
    write(tmp_path / "kept" / LEDGER_FILE, *(said(one) for one in requests[:5]))
    known = answering.take_up(tmp_path, tmp_path / "kept", requests, whole_chunks=False)
    assert [one.key for one in known.ledger.missing(requests)] == [requests[5].key]


def test_shards_answer_every_chunk_once_and_become_one_ledger(tmp_path):
    requests = plan(10)
    for number in range(3):
        shard = answering.Shard(number, 3)
        known = answering.take_up(tmp_path, None, requests, shard)
        mine = [one for one in requests if shard.holds(one.chunk)]
        path = tmp_path / answering.ledger_name(shard)
        progress = ProgressLog(tmp_path, "v", len(mine))
        answering.answer(Engine(), mine, known.ledger, path, progress)
    whole = answering.take_up(tmp_path, None, requests)
    assert whole.ledger.missing(requests) == []
    assert len(read_ledger(tmp_path / LEDGER_FILE).answers) == len(requests)


def test_what_parts_answered_is_counted_by_where_it_was_from_and_asked_again_is_not_contradicted(
    tmp_path: Path,
) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "own"
    kept.mkdir()
    folder.mkdir()
    requests = plan(4 * CHUNK)
    resumed, reused = requests[:CHUNK], requests[CHUNK : 2 * CHUNK]
    half = requests[2 * CHUNK]
    (kept / LEDGER_FILE).write_bytes(dump([*map(said, resumed), said(half, "before the kill")]))
    (kept / answering.REUSED_FILE).write_bytes(dump(map(said, reused)))
    for number in range(2):
        shard = answering.Shard(number, 2)
        mine = [one for one in requests if shard.holds(one.chunk)]
        known = answering.take_up(folder, kept, requests, shard).ledger
        answers = [said(one, "asked again") for one in known.missing(mine)]
        with (folder / answering.ledger_name(shard)).open("ab") as sink:
            sink.write(dump(answers))
    found = answering.take_up(folder, kept, requests, whole_chunks=False)
    assert (found.resumed, found.reused) == (CHUNK, CHUNK)
    assert found.ledger.answers[half.name].outputs[0].text == "asked again"
    assert not found.ledger.missing(requests)
    assert [path.name for path in folder.iterdir()] == [LEDGER_FILE]


def test_a_damaged_file_of_another_run_gives_nothing_and_ends_nothing(tmp_path: Path) -> None:
    requests = plan(CHUNK)
    content = dump(map(said, requests)).replace(b"to q1", b"to q9")
    (tmp_path / answering.REUSED_FILE).write_bytes(content)
    found = answering.take_up(tmp_path, tmp_path, requests)
    assert (found.reused, found.ledger.answers) == (0, {})
