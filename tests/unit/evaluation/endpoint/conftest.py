"""A plan as the job leaves it, and what asks it."""

from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from rdagent.evaluation.endpoint.address import parse_endpoint
from rdagent.evaluation.endpoint.asking import Order, ask
from rdagent.evaluation.endpoint.client import ChatClient, Patience
from rdagent.records.keys import canonical, request_key
from rdagent.records.ledger import LEDGER_FILE, read_ledger
from rdagent.records.plan import Occurrence, Plan, Request
from tests.chat_server import chatting


@pytest.fixture
def server():
    with chatting() as chat:
        yield chat


def prompt(text, *, answer=True):
    """Messages as planning writes them."""
    return canonical({"messages": [{"role": "user", "content": text}], "answer": answer})


def request_of(text, told=None, *, draw=0, chunk=0, answer=True):
    arguments = (prompt(text, answer=answer), {"until": ["\n"]} if told is None else told)
    return Request("generate", request_key("generate", arguments), draw, arguments, chunk)


def write_plan(folder, requests):
    places = tuple(Occurrence(n, "t", n, 0) for n in range(len(requests)))
    Plan("digest", places, {}, {}, {}).write(folder, requests)
    return folder


@dataclass
class Place:
    """A run's folder with a plan of so many questions, in chunks, and one variant."""

    folder: object
    count: int = 12
    chunk: int = 4

    def __post_init__(self):
        requests = [request_of(f"q{n}", chunk=n // self.chunk) for n in range(self.count)]
        write_plan(self.plan, requests)
        self.variant.mkdir(parents=True, exist_ok=True)

    @property
    def plan(self):
        return self.folder / "plan"

    @property
    def variant(self):
        return self.folder / "variants" / "base"

    def lines(self):
        return (self.variant / LEDGER_FILE).read_bytes().splitlines()

    def ledger(self):
        return read_ledger(self.variant / LEDGER_FILE).answers

    def order(self, server, *, key=None, revision=None, concurrency=1, patience=None, **change):
        endpoint = parse_endpoint(server.url, revision, concurrency)
        told = {"pause": lambda seconds: False, "tries": 2, "left": lambda: 1e6}
        patience = Patience(**{**told, **(patience or {})})
        client = ChatClient(endpoint, "m", key and SecretStr(key), patience)
        usual = {
            "name": "base",
            "plan": self.plan,
            "folder": self.variant,
            "client": client,
            "seed": 1234,
            "progress": self.folder,
        }
        return Order(**{**usual, **change})

    def ask(self, server, **change):
        return ask(self.order(server, **change))


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def after(server, count):
    """Return what asks for the end once the server was asked so often."""
    return lambda: "cancelled" if len(server.asked) >= count else None
