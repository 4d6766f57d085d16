"""A small server on this machine that embeds: OpenAI's protocol, broken as told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.chat_server import FakeChat, Fault, _Handler, _Server


@dataclass
class FakeEmbedder(FakeChat):
    """What the server says of texts."""

    #: A text → its vector.
    vector: Callable[[str], list[float]] = lambda text: [1.0, float(len(text))]
    #: The whole of the list, to be spoilt; in whatever order.
    rows: Callable[[list[dict[str, Any]]], Any] = lambda rows: rows

    def texts(self) -> list[str]:
        """Every text that was sent, in the order in which they came."""
        return [text for body in self.asked for text in body["input"]]

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {"object": "embedding", "index": place, "embedding": self.vector(text)}
            for place, text in enumerate(body["input"])
        ]
        return {"object": "list", "model": body["model"], "data": self.rows(rows)}


class _Embedding(_Handler):
    def do_POST(self):  # noqa: N802 - the base class's name
        if self.path == "/v1/embeddings":
            # The chat server's own way, under another name.
            self.path = "/v1/chat/completions"
        else:
            self.chat.paths.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            return self.send(Fault(404, {"detail": "Not Found"}))
        return super().do_POST()


@contextmanager
def embedding(**options: Any) -> Iterator[FakeEmbedder]:
    """Serve until the block ends."""
    embedder = FakeEmbedder(**options)
    embedder.gate.set()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Embedding,), {"chat": embedder}))
    embedder.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield embedder
    finally:
        embedder.over.set()
        embedder.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
