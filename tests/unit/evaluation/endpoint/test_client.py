"""A question gets its answer whatever a server does meanwhile, or a reason why it gets none."""

import threading
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from rdagent.errors import JobFailed, RefusedError
from rdagent.evaluation.endpoint import client as client_module
from rdagent.evaluation.endpoint.address import parse_endpoint
from rdagent.evaluation.endpoint.arguments import Dialect, Question
from rdagent.evaluation.endpoint.client import ChatClient, Patience, RequestFailed, Stopped
from tests.chat_server import Fault, chatting, refusal

HTML = b"<html><body>Bad gateway</body></html>"
KEY = "sk-Secret0123456789abcdefghij"
NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def server():
    with chatting() as chat:
        yield chat


def question(**change):
    asked = {
        "messages": [{"role": "user", "content": "1 + 1?"}],
        "begun": False,
        "stops": ("\n",),
        "longest": 16,
        "temperature": 0.0,
        "others": {},
        "seed": None,
    }
    return Question(**{**asked, **change})


class Pauses(list):
    """Notes the pauses and makes none."""

    def __call__(self, seconds):
        self.append(seconds)
        return False


def client_of(server, *, key=None, model="m", **patience):
    pauses = Pauses()
    told = {"pause": pauses, "left": lambda: 1e6, "now": lambda: NOW, "draw": lambda: 1.0}
    endpoint = parse_endpoint(server.url, None, 8)
    client = ChatClient(endpoint, model, key and SecretStr(key), Patience(**{**told, **patience}))
    return client, pauses


def test_an_answer_is_its_text_why_it_ended_what_it_took_and_who_gave_it(server):
    server.fingerprints = ["fp_1"]
    client, _ = client_of(server)
    reply = client.ask(question())
    assert (reply.text, reply.finish_reason) == ("ok", "stop")
    assert (reply.prompt_tokens, reply.n_tokens) == (7, 3)
    assert (reply.fingerprint, reply.model) == ("fp_1", "m-0613")


@pytest.mark.parametrize(
    ("message", "text", "reason"),
    [
        ({"content": None}, "", "stop"),
        ({"content": ""}, "", "stop"),
        ({}, "", "stop"),
        ({"content": None, "reasoning_content": "let me think"}, "", "stop"),
        ({"content": "2", "reasoning_content": "let me think"}, "2", "stop"),
        ({"content": None, "refusal": "I will not."}, "", "refusal"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", "stop"),
    ],
)
def test_what_is_no_text_of_the_answer_is_no_answer(server, message, text, reason):
    server.answer = lambda body: message
    reply = client_of(server)[0].ask(question())
    assert (reply.text, reply.finish_reason) == (text, reason)


TROUBLES = {
    "too many requests": refusal(429, "slow down"),
    "a fault of the server": Fault(500, HTML, kind="text/html"),
    "overloaded": Fault(503, b"", kind="text/plain"),
    "a timeout of its own": refusal(408, "too slow"),
    "a conflict": refusal(409, "again"),
    "closed before a word": Fault(cut=0),
    "a body that is cut off": Fault(
        200, {"choices": [{"message": {"content": "o" * 500}}]}, cut=99
    ),
    "a page in place of an answer": Fault(200, HTML, kind="text/html"),
    "JSON that is none": Fault(200, b'{"choices": ['),
    "JSON that is no object": Fault(200, b"[1, 2]"),
    "an answer without a message": Fault(200, {"choices": []}),
    "an error that calls itself fine": Fault(200, {"error": {"message": "upstream", "code": 502}}),
    "an error without a code": Fault(200, {"error": "upstream is away"}),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_what_may_pass_is_tried_again(server, trouble):
    server.faults = [trouble]
    client, pauses = client_of(server)
    assert client.ask(question()).text == "ok"
    assert len(server.asked) == 2
    assert len(pauses) == 1


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_what_does_not_pass_ends_the_one_request_after_so_many_tries(server, trouble):
    server.rule = lambda body: trouble
    client, pauses = client_of(server, tries=3)
    with pytest.raises(RequestFailed, match="3 tries"):
        client.ask(question())
    assert len(server.asked) == 3
    assert len(pauses) == 2


def test_each_pause_is_twice_the_last_up_to_a_longest_one(server):
    server.rule = lambda body: refusal(500, "no")
    client, pauses = client_of(server, tries=9)
    with pytest.raises(RequestFailed):
        client.ask(question())
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_pauses_differ_so_that_those_who_failed_together_do_not_come_back_together(server):
    server.rule = lambda body: refusal(500, "no")
    draws = iter([0.0, 0.5, 1.0])
    client, pauses = client_of(server, tries=4, draw=lambda: next(draws))
    with pytest.raises(RequestFailed):
        client.ask(question())
    assert pauses == [0.5, 1.5, 4.0]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("7", 8.0),
        ("0", 1.0),
        ("Tue, 01 Jan 2030 12:00:30 GMT", 31.0),
        ("Tue, 01 Jan 2030 11:00:00 GMT", 1.0),
        ("9999999", 301.0),
        ("soon", 1.0),
        ("nan", 1.0),
        ("-5", 1.0),
    ],
)
def test_a_pause_that_the_server_asks_for_is_made_but_not_for_ever(server, said, expected):
    server.faults = [Fault(429, b"{}", {"Retry-After": said})]
    client, pauses = client_of(server)
    client.ask(question())
    assert pauses == [expected]


def test_a_server_that_hangs_is_given_up_and_asked_again(server):
    server.faults = [Fault(hangs=True)]
    client, pauses = client_of(server, answer_seconds=0.2)
    assert client.ask(question()).text == "ok"
    assert len(pauses) == 1


def test_an_answer_without_end_is_given_up(server, monkeypatch):
    monkeypatch.setattr(client_module, "BODY_LIMIT", 1000)
    server.answer = lambda body: "x" * 5000
    client, _ = client_of(server, tries=2)
    with pytest.raises(RequestFailed, match="more than"):
        client.ask(question())


def test_a_pause_that_would_outlast_the_deadline_is_not_made(server):
    server.rule = lambda body: Fault(429, b"{}", {"Retry-After": "60"})
    client, pauses = client_of(server, left=lambda: 30.0)
    with pytest.raises(Stopped):
        client.ask(question())
    assert pauses == []


def test_after_the_deadline_nothing_is_sent(server):
    client, _ = client_of(server, left=lambda: 0.0)
    with pytest.raises(Stopped):
        client.ask(question())
    assert server.asked == []


def test_whoever_waits_for_another_try_stops_when_the_end_is_asked_for(server):
    server.rule = lambda body: Fault(429, b"{}", {"Retry-After": "250"})
    client, _ = client_of(server, pause=None)
    threading.Timer(0.2, client.stop.set).start()
    with pytest.raises(Stopped):
        client.ask(question())


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_taken_ends_it_at_once_and_is_not_repeated(server, status):
    server.rule = lambda body: refusal(status, f"Incorrect API key provided: {KEY}")
    client, _ = client_of(server, key=KEY)
    with pytest.raises(RefusedError, match="does not take the key") as caught:
        client.ask(question())
    assert "RDAGENT_ENDPOINT_KEY" in caught.value.hint
    assert KEY not in str(caught.value)
    assert len(server.asked) == 1


def test_a_server_that_wants_a_key_says_so_when_there_is_none(server):
    server.key = KEY
    with pytest.raises(RefusedError, match="wants a key, and none is set"):
        client_of(server)[0].ask(question())


def test_the_key_goes_along_and_nothing_of_netrc_does(server, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client_of(server, key=KEY)[0].ask(question())
    client_of(server)[0].ask(question())
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in server.headers[1]


def test_an_unknown_model_is_refused_with_those_that_the_server_has(server):
    server.models = ("qwen-7b", "qwen-72b")
    server.rule = lambda body: refusal(404, "The model `m` does not exist.", "model_not_found")
    with pytest.raises(RefusedError, match="no model 'm'") as caught:
        client_of(server)[0].ask(question())
    assert "qwen-7b, qwen-72b" in caught.value.hint
    assert len(server.asked) == 1


def test_a_wrong_address_is_refused_with_what_it_should_be(server):
    server.url = server.url.removesuffix("/v1")
    with pytest.raises(RefusedError, match="is not there") as caught:
        client_of(server)[0].ask(question())
    assert "/v1" in caught.value.hint


def test_a_redirect_is_not_followed_and_is_named(server):
    with chatting() as other:
        place = f"{other.url}/chat/completions"
        server.rule = lambda body: Fault(307, b"", {"Location": place})
        with pytest.raises(RefusedError, match="redirects to") as caught:
            client_of(server, key=KEY)[0].ask(question())
        assert place in caught.value.message
        assert other.paths == []


def test_an_account_with_nothing_left_ends_it_at_once(server):
    server.rule = lambda body: refusal(429, "You exceeded your quota", "insufficient_quota")
    with pytest.raises(RefusedError, match="nothing left"):
        client_of(server)[0].ask(question())
    assert len(server.asked) == 1


def test_a_request_that_is_not_taken_fails_alone_and_is_not_tried_again(server):
    server.rule = lambda body: refusal(400, "maximum context length is 4096 tokens")
    client, _ = client_of(server)
    with pytest.raises(RequestFailed, match="maximum context length"):
        client.ask(question())
    assert len(server.asked) == 1


def test_a_server_that_wants_another_name_for_the_longest_answer_is_asked_by_it(server):
    def rule(body):
        if "max_tokens" not in body:
            return None
        said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        return refusal(
            400, f"{said}'max_completion_tokens' instead.", "unsupported_parameter", "max_tokens"
        )

    server.rule = rule
    client, pauses = client_of(server)
    client.ask(question())
    client.ask(question())
    assert [body.get("max_completion_tokens") for body in server.asked] == [None, 16, 16]
    assert client.dialect.longest == "max_completion_tokens"
    assert pauses == []


def test_an_answer_that_is_asked_too_long_is_no_reason_to_ask_otherwise(server):
    said = "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum"
    server.rule = lambda body: refusal(400, said, param="max_tokens")
    client, _ = client_of(server)
    with pytest.raises(RequestFailed, match="too large"):
        client.ask(question())
    assert client.dialect == Dialect()


@pytest.mark.parametrize(
    ("name", "change"), [("stop", {"stops": False}), ("seed", {"seeds": False})]
)
def test_what_a_server_does_not_know_is_left_out_from_then_on(server, name, change):
    server.rule = lambda body: (
        refusal(400, f"Unsupported parameter: '{name}'", param=name) if name in body else None
    )
    client, _ = client_of(server)
    client.ask(question(temperature=1.0, seed=5))
    assert [name in body for body in server.asked] == [True, False]
    assert client.dialect == Dialect(**change)


def test_what_another_thread_has_learned_meanwhile_is_not_forgotten(server):
    client, _ = client_of(server)

    def rule(body):
        if "stop" not in body:
            return None
        client.dialect = Dialect(longest="max_completion_tokens")
        return refusal(400, "Unsupported parameter: 'stop'", param="stop")

    server.rule = rule
    client.ask(question())
    assert client.dialect == Dialect(longest="max_completion_tokens", stops=False)


def test_a_model_that_only_draws_is_refused_with_how_to_let_it(server):
    said = "Unsupported value: 'temperature' does not support 0 with this model."
    server.rule = lambda body: refusal(400, said, "unsupported_value", "temperature")
    with pytest.raises(RefusedError, match="likeliest") as caught:
        client_of(server)[0].ask(question())
    assert "do_sample=True,temperature=1" in caught.value.hint


def test_an_answer_that_is_begun_is_refused_by_a_server_that_cannot_go_on_with_it(server):
    said = "Unrecognized request argument supplied: continue_final_message"
    server.rule = lambda body: refusal(400, said)
    with pytest.raises(RefusedError, match="begin the answer"):
        client_of(server)[0].ask(question(begun=True))


def test_nobody_there_is_said_before_anything_is_asked(server):
    client, pauses = client_of(server)
    with chatting() as gone:
        client.endpoint = parse_endpoint(gone.url, None, 8)
    with pytest.raises(JobFailed, match="cannot be reached") as caught:
        client.require_reachable()
    assert (caught.value.reason, caught.value.exit_code) == ("incomplete", 5)
    assert len(pauses) == 2


@pytest.mark.parametrize("models", [None, (), ("other",)])
def test_a_server_is_there_whatever_it_lists(server, models):
    server.models = models
    client_of(server)[0].require_reachable()
    assert len(server.paths) == 1


def test_a_server_that_is_too_busy_to_list_its_models_is_there(server):
    server.lists_nothing_ever = True
    client_of(server, answer_seconds=0.2)[0].require_reachable()
    assert len(server.paths) == 1


def test_an_error_with_a_status_of_its_own_is_what_it_says_whatever_it_came_as(server):
    server.rule = lambda body: Fault(200, {"error": {"message": "no such key", "code": 401}})
    with pytest.raises(RefusedError, match="no such key"):
        client_of(server, key=KEY)[0].ask(question())
    assert len(server.asked) == 1


def test_what_a_server_says_reaches_nobody_with_the_key_or_with_escapes_in_it(server):
    server.rule = lambda body: refusal(418, f"\x1b[31mno\x07 {KEY} Bearer {KEY}")
    client, _ = client_of(server, key=KEY)
    with pytest.raises(RequestFailed) as caught:
        client.ask(question())
    assert KEY not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert KEY not in repr(client)
