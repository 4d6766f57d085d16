"""A small chat server on this machine: speaks OpenAI's protocol, and breaks as told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Fault:
    """What is sent in place of an answer."""

    status: int = 200
    body: Any = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    #: The connection is closed after so many bytes of the body; 0: before the first of the status.
    cut: int | None = None
    #: Nothing is sent until the server ends.
    hangs: bool = False

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def refusal(status: int, message: str, code: str | None = None, param: str | None = None) -> Fault:
    """An error as OpenAI's servers put it."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Fault(status, {"error": error})


@dataclass
class FakeChat:
    """What the server says, how it misbehaves, and what it was asked."""

    #: Body of a request → text, or the whole message.
    answer: Callable[[dict[str, Any]], Any] = lambda body: "ok"
    #: Body of a request → what is sent in place of an answer; None: nothing is wrong with it.
    rule: Callable[[dict[str, Any]], Fault | None] = lambda body: None
    #: Sent first, each once.
    faults: list[Fault] = field(default_factory=list)
    models: tuple[str, ...] | None = ("m",)
    #: Whoever asks for the list of models gets no word.
    lists_nothing_ever: bool = False
    #: Sent with the next answers, each once; the last one stays.
    fingerprints: list[str | None] = field(default_factory=lambda: [None])
    key: str | None = None
    finish_reason: str = "stop"
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    #: Paths of everything that was asked, lists of models too.
    paths: list[str] = field(default_factory=list)
    #: While it is not set, questions wait.
    gate: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    most_at_once: int = 0
    now_asked: int = 0
    url: str = ""

    def prompts(self) -> list[str]:
        """The last message of each question, in the order in which they came."""
        return [body["messages"][-1]["content"] for body in self.asked]

    def fault(self, body: dict[str, Any]) -> Fault | None:
        with self.lock:
            if self.faults:
                return self.faults.pop(0)
        return self.rule(body)

    def fingerprint(self) -> str | None:
        with self.lock:
            more = len(self.fingerprints) > 1
            return self.fingerprints.pop(0) if more else self.fingerprints[0]

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        said = self.answer(body)
        message = said if isinstance(said, dict) else {"content": said}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": f"{body['model']}-0613",
            "system_fingerprint": self.fingerprint(),
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", **message},
                    "finish_reason": self.finish_reason,
                }
            ],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    chat: FakeChat

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.chat.paths.append(self.path)
        if self.chat.lists_nothing_ever:
            return self.send(Fault(hangs=True))
        if self.path != "/v1/models" or self.chat.models is None:
            return self.send(Fault(404, {"detail": "Not Found"}))
        rows = [{"id": name, "object": "model"} for name in self.chat.models]
        return self.send(Fault(200, {"object": "list", "data": rows}))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.chat.paths.append(self.path)
        if self.path != "/v1/chat/completions":
            return self.send(Fault(404, {"detail": "Not Found"}))
        with self.chat.lock:
            self.chat.asked.append(body)
            self.chat.headers.append({k.lower(): v for k, v in self.headers.items()})
            self.chat.now_asked += 1
            self.chat.most_at_once = max(self.chat.most_at_once, self.chat.now_asked)
        try:
            self.chat.gate.wait(60)
            return self.respond(body)
        finally:
            with self.chat.lock:
                self.chat.now_asked -= 1

    def respond(self, body):
        if self.chat.key and self.headers.get("Authorization") != f"Bearer {self.chat.key}":
            said = f"Incorrect API key provided: {self.headers.get('Authorization')}"
            return self.send(refusal(401, said, "invalid_api_key"))
        fault = self.chat.fault(body)
        return self.send(fault or Fault(200, self.chat.reply(body)))

    def send(self, fault):
        if fault.hangs:
            self.chat.over.wait(60)
        if fault.hangs or fault.cut == 0:
            self.close_connection = True
            return
        content = fault.content()
        self.send_response(fault.status)
        for name, value in {"Content-Type": fault.kind, **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault.cut is not None:
            content = content[: fault.cut]
            self.close_connection = True
        try:
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # whoever asked has gone


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Whoever asked has gone: that is no trouble of the server's."""


@contextmanager
def chatting(**options: Any) -> Iterator[FakeChat]:
    """Serve until the block ends."""
    chat = FakeChat(**options)
    chat.gate.set()
    handler = type("Handler", (_Handler,), {"chat": chat})
    server = _Server(("127.0.0.1", 0), handler)
    chat.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        chat.over.set()
        chat.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
