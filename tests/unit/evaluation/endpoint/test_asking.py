"""Answers are kept as they come, taken up again, and never mixed with another server's."""

import json
import shutil
import threading

import pytest

from rdagent.errors import RefusedError, ResultError
from rdagent.evaluation.answers import REUSED_FILE
from rdagent.evaluation.endpoint import asking
from rdagent.evaluation.endpoint.run import _raise_if_nothing
from rdagent.records.answered import ANSWERED_FILE, Answered
from rdagent.records.keys import request_seed
from rdagent.records.ledger import LEDGER_FILE
from rdagent.records.plan import read_requests
from tests.chat_server import Fault, refusal
from tests.unit.evaluation.endpoint.conftest import Place, after, request_of, write_plan


def last(body):
    return body["messages"][-1]["content"]


def test_every_request_is_asked_once_and_its_answer_is_in_the_ledger(place, server):
    server.answer = lambda body: f"{last(body)}!\nand more"
    asked = place.ask(server, concurrency=3)
    assert (asked.reason, asked.answered, asked.total) == ("ok", 12, 12)
    assert sorted(server.prompts()) == sorted(f"q{n}" for n in range(12))
    answers = place.ledger()
    assert {one.outputs[0].text for one in answers.values()} == {f"q{n}!" for n in range(12)}
    one = answers[request_of("q5").key, 0]
    assert (one.chunk, one.batch, one.prompt_tokens) == (1, "remote", 7)
    assert (one.outputs[0].finish_reason, one.outputs[0].n_tokens) == ("stop", 3)


def test_no_more_requests_are_out_than_was_allowed(place, server):
    both = threading.Barrier(3, timeout=30)

    def answer(body):
        both.wait()  # three must be here before one of them is answered
        return "ok"

    server.answer = answer
    place.ask(server, concurrency=3)
    assert server.most_at_once == 3


def test_who_answered_is_written_beside_the_answers(place, server):
    server.fingerprints = ["fp_1"]
    place.ask(server, revision="june")
    answered = Answered.read(place.variant)
    assert (answered.engine, answered.device) == ("endpoint", "remote")
    info = answered.model_info
    assert info["endpoint_url"] == server.url
    assert info["endpoint_model"] == "m"
    assert info["endpoint_models_reported"] == ["m-0613"]
    assert info["endpoint_fingerprints"] == ["fp_1"]
    assert info["endpoint_revision"] == "june"
    assert answered.notes == ()


def test_a_run_that_was_stopped_asks_only_what_has_no_answer(place, server):
    stopped = place.ask(server, ended=after(server, 5))
    assert (stopped.reason, stopped.answered) == ("cancelled", 5)
    asked = place.ask(server)
    assert (asked.reason, asked.answered) == ("ok", 12)
    assert sorted(server.prompts()) == sorted(f"q{n}" for n in range(12))


def test_a_line_that_a_kill_tore_is_asked_again_and_nothing_else(place, server):
    place.ask(server, ended=after(server, 6))
    ledger = place.variant / LEDGER_FILE
    ledger.write_bytes(ledger.read_bytes()[:-40])
    server.asked.clear()
    assert place.ask(server).reason == "ok"
    assert sorted(server.prompts()) == sorted(f"q{n}" for n in range(5, 12))


def test_a_ledger_that_was_changed_is_refused_with_what_to_do(place, server):
    place.ask(server)
    ledger = place.variant / LEDGER_FILE
    ledger.write_text(ledger.read_text().replace('"text":"ok"', '"text":"no"', 1))
    with pytest.raises(ResultError) as caught:
        place.ask(server)
    assert "--fresh" in caught.value.hint


def test_a_request_that_fails_is_a_line_of_its_own_and_is_asked_again_the_next_time(place, server):
    server.rule = lambda body: refusal(400, "too long for me") if last(body) == "q3" else None
    asked = place.ask(server)
    assert (asked.reason, asked.answered) == ("incomplete", 11)
    assert "1 failed" in asked.message
    assert "too long for me" in asked.message
    failed = place.ledger()[request_of("q3").key, 0]
    assert "too long for me" in failed.error
    assert failed.outputs == ()
    server.rule = lambda body: None
    server.asked.clear()
    assert place.ask(server).reason == "ok"
    assert server.prompts() == ["q3"]
    assert place.ledger()[request_of("q3").key, 0].error is None


def test_a_server_that_answers_nothing_is_not_asked_everything(tmp_path, server):
    place = Place(tmp_path, count=60)
    server.rule = lambda body: refusal(500, "the model crashed")
    asked = place.ask(server)
    assert asked.reason == "incomplete"
    assert "the model crashed" in asked.message
    assert len({last(body) for body in server.asked}) == asking.MOST_FAILURES


def test_failures_between_answers_do_not_end_it(tmp_path, server):
    place = Place(tmp_path, count=60)
    server.rule = lambda body: refusal(400, "no") if int(last(body)[1:]) % 2 else None
    assert place.ask(server).answered == 30
    assert len(server.asked) == 60


def test_a_key_that_is_refused_ends_it_and_what_was_answered_stays(place, server):
    server.rule = lambda body: refusal(401, "expired") if last(body) == "q4" else None
    asked = place.ask(server)
    assert (asked.reason, asked.answered) == ("incomplete", 4)
    assert isinstance(asked.fatal, RefusedError)
    assert len(server.asked) == 5
    _raise_if_nothing([asked])
    server.rule = lambda body: None
    server.asked.clear()
    assert place.ask(server).reason == "ok"
    assert len(server.asked) == 8


def test_what_cannot_be_asked_at_all_is_an_error_where_nothing_is_lost_by_it(place, server):
    server.rule = lambda body: refusal(401, "no such key")
    asked = place.ask(server)
    with pytest.raises(RefusedError, match="no such key"):
        _raise_if_nothing([asked])


def test_the_deadline_ends_it_with_what_is_there(place, server):
    asked = place.ask(server, ended=lambda: "timeout" if len(server.asked) >= 3 else None)
    assert (asked.reason, asked.answered) == ("timeout", len(place.ledger()))
    assert asked.answered < 12


def test_a_pause_that_would_outlast_the_deadline_ends_it_as_the_deadline_does(place, server):
    server.faults = [Fault(429, b"{}", {"Retry-After": "100"})]
    asked = place.ask(server, patience={"left": lambda: 50.0})
    assert (asked.reason, asked.answered) == ("timeout", 0)


@pytest.mark.parametrize(("reason", "hurry"), [("cancelled", True), ("timeout", False)])
def test_a_server_that_hangs_keeps_neither_whoever_is_in_a_hurry_nor_the_deadline(
    place, server, monkeypatch, reason, hurry
):
    monkeypatch.setattr(asking, "DRAIN_SECONDS", 1e6)
    server.rule = lambda body: Fault(hangs=True) if last(body) == "q2" else None

    def ended():
        return reason if len(place.lines()) >= 8 else None

    asked = place.ask(server, concurrency=4, ended=ended, hurry=lambda: hurry)
    assert asked.reason == reason
    assert asked.answered >= 8
    assert server.now_asked >= 1  # it still hangs


def test_what_is_on_its_way_at_the_end_is_waited_for_and_kept(place, server):
    server.gate.clear()
    ends = after(server, 4)

    def ended():
        if ends() and not server.gate.is_set():
            threading.Timer(0.3, server.gate.set).start()
        return ends()

    asked = place.ask(server, concurrency=4, ended=ended)
    assert (asked.reason, asked.answered) == ("cancelled", 4)
    assert len(place.ledger()) == 4


def test_progress_counts_answers_and_is_told(place, server):
    told = []
    place.ask(server, ended=after(server, 5))
    place.ask(server, tell=told.append)
    lines = [
        json.loads(line) for line in (place.folder / "progress.jsonl").read_text().split("\n")[:-1]
    ]
    assert {key: lines[-1][key] for key in ("variant", "done", "total", "known")} == {
        "variant": "base",
        "done": 12,
        "total": 12,
        "known": 5,
    }
    assert set(told) == {place.folder}


def test_a_drawn_request_has_a_seed_of_its_own_and_a_greedy_one_has_none(tmp_path, server):
    drawn = {"until": [], "do_sample": True, "temperature": 0.7, "top_p": 0.9}
    requests = [request_of("d", drawn, draw=n) for n in range(3)]
    greedy = {"do_sample": False, "temperature": 0.7, "top_p": 0.9}
    place = Place(tmp_path)
    write_plan(place.plan, [*requests, request_of("g", greedy, chunk=1)])
    place.ask(server)
    seeds = [body.get("seed") for body in server.asked]
    assert seeds[:3] == [request_seed(requests[0].key, draw, 1234) for draw in range(3)]
    assert len(set(seeds[:3])) == 3
    assert [body["temperature"] for body in server.asked] == [0.7, 0.7, 0.7, 0.0]
    assert [body.get("top_p") for body in server.asked] == [0.9, 0.9, 0.9, None]
    assert seeds[3] is None


def test_a_fingerprint_that_changes_is_said_also_when_it_changed_between_two_attempts(
    place, server
):
    server.fingerprints = ["fp_1"]
    place.ask(server, ended=after(server, 6))
    server.fingerprints = ["fp_2"]
    place.ask(server)
    answered = Answered.read(place.variant)
    assert answered.model_info["endpoint_fingerprints"] == ["fp_1", "fp_2"]
    assert any("fp_1, fp_2" in note for note in answered.notes)


def test_refusals_thinking_and_begun_answers_are_said(place, server):
    said = {"q1": {"content": None, "refusal": "no"}, "q2": "<think>hm</think>2"}
    server.answer = lambda body: said.get(last(body), "ok")
    place.ask(server, begun=True)
    notes = Answered.read(place.variant).notes
    assert [note.split(":")[0].split(" (")[0] for note in notes] == [
        "1 answers are refusals; their text is scored as it came",
        "1 answers begin with <think>",
        "prompts begin the answer",
    ]
    assert place.ledger()[request_of("q1").key, 0].outputs[0].text == ""


def test_how_a_server_wants_to_be_asked_is_remembered_for_the_next_attempt(place, server):
    server.rule = lambda body: (
        refusal(400, "Unsupported parameter: 'stop'", param="stop") if "stop" in body else None
    )
    server.answer = lambda body: f"{last(body)}\nmore"
    place.ask(server, ended=after(server, 4))
    assert sum("stop" in body for body in server.asked) == 1
    server.asked.clear()
    place.ask(server)
    assert not any("stop" in body for body in server.asked)
    assert {one.outputs[0].text for one in place.ledger().values()} == {f"q{n}" for n in range(12)}
    assert any("no stop strings" in note for note in Answered.read(place.variant).notes)


@pytest.fixture
def other(tmp_path, server):
    """Another run of the same model, whose answers lie beside the variant."""
    server.fingerprints = ["fp_1"]
    done = Place(tmp_path / "other", count=8, chunk=3)
    done.ask(server)
    server.asked.clear()
    return done


def lay_out(done, place):
    shutil.copy(done.variant / LEDGER_FILE, place.variant / REUSED_FILE)
    shutil.copy(done.variant / ANSWERED_FILE, place.variant / ANSWERED_FILE)


def test_answers_of_another_run_are_not_asked_again(other, place, server):
    lay_out(other, place)
    asked = place.ask(server)
    assert (asked.reason, asked.reused, asked.resumed) == ("ok", 8, 0)
    assert server.prompts() == ["q8", "q9", "q10", "q11"]
    assert Answered.read(place.variant).notes == ()
    chunks = {one.name: one.chunk for one in read_requests(place.plan)}
    assert {name: one.chunk for name, one in place.ledger().items()} == chunks
    again = place.ask(server)
    assert (again.reason, again.reused, again.resumed) == ("ok", 8, 4)
    assert len(server.asked) == 4


def test_answers_of_another_run_stay_another_runs_when_it_goes_on(other, place, server):
    lay_out(other, place)
    place.ask(server, ended=after(server, 2))
    server.fingerprints = ["fp_2"]
    server.answer = lambda body: "something else"
    asked = place.ask(server)
    assert (asked.reason, asked.reused, asked.resumed) == ("ok", 0, 2)
    assert sorted(server.prompts()[2:]) == sorted(f"q{n}" for n in [*range(8), 10, 11])
    assert len(place.ledger()) == 12


def test_when_everything_is_answered_by_another_run_nothing_is_asked(other, tmp_path, server):
    place = Place(tmp_path / "less", count=8)
    lay_out(other, place)
    assert place.ask(server).reason == "ok"
    assert server.asked == []
    assert Answered.read(place.variant).model_info["endpoint_fingerprints"] == ["fp_1"]


def test_answers_of_another_run_are_given_back_when_the_server_is_another_one(other, place, server):
    lay_out(other, place)
    server.fingerprints = ["fp_2"]
    server.rule = lambda body: (
        refusal(400, "not now") if last(body) == "q9" and len(server.asked) < 5 else None
    )
    assert place.ask(server).reason == "ok"
    assert not (place.variant / REUSED_FILE).exists()
    assert len(place.ledger()) == 12
    assert all(one.error is None for one in place.ledger().values())
    answered = Answered.read(place.variant)
    assert answered.model_info["endpoint_fingerprints"] == ["fp_2"]
    assert answered.notes == ()


def test_a_mistake_of_ours_is_not_taken_for_the_servers(place, server, monkeypatch):
    monkeypatch.setattr(asking, "question_of", lambda request, seed: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        place.ask(server)
