"""A small hub on this machine: speaks the protocol, breaks off, lies and refuses as told."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_RESOLVE = re.compile(r"/(?:datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
_API = re.compile(
    r"/api/(models|datasets)/([^/]+/[^/]+?)(?:/(revision|tree|paths-info)/([^/]+).*)?"
)


@dataclass
class Repo:
    """One model or data set."""

    files: dict[str, bytes]
    #: Files that are stored apart, behind a redirect.
    lfs: set[str] = field(default_factory=set)
    #: Status and error code of every answer instead of the repo.
    refuses: tuple[int, str] | None = None
    #: What is really sent for a file, if not what is listed.
    sends: dict[str, bytes] = field(default_factory=dict)


@dataclass
class FakeHub:
    """What the server has, how it misbehaves, and what it was asked."""

    repos: dict[str, Repo] = field(default_factory=dict)
    #: The connection is cut after so many bytes of a body; each entry is used once.
    breaks: list[int] = field(default_factory=list)
    ignores_range: bool = False
    #: Statuses that are answered first, instead of anything else.
    stumbles: list[int] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""
    #: The same server by another name, as a store of large files is.
    store_url: str = ""

    def ranges(self) -> list[str]:
        return [headers["range"] for _, headers in self.asked if "range" in headers]


def oid(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()  # noqa: S324


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def do_POST(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(body=True, posted=content)

    def answer(self, *, body: bool, posted: bytes = b""):
        self.with_body = body
        self.hub.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        if self.hub.stumbles:
            return self.send(self.hub.stumbles.pop(0), b"{}")
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/store/"):
            name, _, file = path.removeprefix("/store/").partition("/-/")
            return self.content(self.hub.repos[name], file)
        if found := _RESOLVE.fullmatch(path):
            return self.resolve(*found.groups())
        if found := _API.fullmatch(path):
            return self.api(*found.groups(), posted=posted)
        return self.send(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def repo(self, name: str) -> Repo | None:
        repo = self.hub.repos.get(name)
        if repo is None:
            self.send(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif repo.refuses:
            self.send(repo.refuses[0], b"{}", {"X-Error-Code": repo.refuses[1]})
        else:
            return repo
        return None

    def api(self, kind, name, what, revision, posted):
        repo = self.repo(name)
        if repo is None:
            return
        if revision not in (None, "main", COMMIT):
            self.send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif what == "tree":
            self.send_json([self.tree_row(repo, path) for path in repo.files])
        elif what == "paths-info":
            wanted = parse_qs(posted.decode())["paths"] if posted[:1] != b"{" else []
            wanted = wanted or json.loads(posted)["paths"]
            found = [path for path in repo.files if path in wanted]
            self.send_json([self.tree_row(repo, path) for path in found])
        else:
            siblings = [self.sibling(repo, path) for path in repo.files]
            self.send_json(
                {
                    "_id": "1",
                    "id": name,
                    "modelId": name,
                    "sha": COMMIT,
                    "private": False,
                    "gated": False,
                    "disabled": False,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                    "cardData": {},
                    "siblings": siblings,
                }
            )

    @staticmethod
    def sibling(repo, path):
        content = repo.files[path]
        row = {"rfilename": path, "size": len(content), "blobId": oid(content)}
        if path in repo.lfs:
            row["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        return row

    @staticmethod
    def tree_row(repo, path):
        content = repo.files[path]
        row = {"type": "file", "path": path, "size": len(content), "oid": oid(content)}
        if path in repo.lfs:
            digest = hashlib.sha256(content).hexdigest()
            row["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 130}
        return row

    def resolve(self, name, revision, file):
        repo = self.repo(name)
        if repo is None:
            return
        if file not in repo.files:
            self.send(404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        elif file in repo.lfs:
            content = repo.files[file]
            headers = {
                "Location": f"{self.hub.store_url}/store/{name}/-/{file}",
                "X-Repo-Commit": COMMIT,
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Linked-Size": str(len(content)),
            }
            self.send(302, b"", headers)
        else:
            self.content(repo, file)

    def content(self, repo, file):
        content = repo.sends.get(file, repo.files[file])
        etag = oid(repo.files[file])
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found or self.hub.ignores_range:
            return self.send(200, content, headers)
        start, end = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
        if start >= len(content):
            return self.send(416, b"", headers)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        return self.send(206, content[start : end + 1], headers)

    def send_json(self, document):
        self.send(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def send(self, status, content, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not self.with_body:
            return
        if self.hub.breaks and len(content) > self.hub.breaks[0]:
            self.wfile.write(content[: self.hub.breaks.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(content)


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[FakeHub]:
    """Serve a hub until the block ends."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer((host, 0), handler)
    server.daemon_threads = True
    port = server.server_address[1]
    hub.url = f"http://{host}:{port}"
    hub.store_url = f"http://localhost:{port}" if host == "127.0.0.1" else hub.url
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
