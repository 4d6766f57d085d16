"""Fetching, from a server on this machine: what comes is checked, what is here is left."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from rdagent.errors import InfrastructureError, RefusedError
from rdagent.suites.homebench.data import fetch as fetching
from rdagent.suites.homebench.data.fetch import COMMIT, SOURCE, fetch
from rdagent.suites.homebench.data.files import RELEASED, blob_id

CONTENT = {"home_status_method.jsonl": b"homes\n" * 1000, "test_data.jsonl": b"records\n"}
FILES = {name: blob_id(content) for name, content in CONTENT.items()}


class Server(ThreadingHTTPServer):
    """Has files, and says what it was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.has = dict(CONTENT)
        self.asked = []
        self.cuts = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/at/{COMMIT}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        folder, _, name = urlsplit(self.path).path.rpartition("/")
        content = self.server.has.get(name) if folder == f"/at/{COMMIT}" else None
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write((content or b"")[: -1 if self.server.cuts else None])


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_come_whole_and_are_told(tmp_path, server):
    fetched = fetch(tmp_path / "dataset", server.url, files=FILES)
    assert {f.name: (tmp_path / "dataset" / f.name).read_bytes() for f in fetched} == CONTENT
    assert [(f.bytes, f.was_here) for f in fetched] == [(6000, False), (8, False)]


def test_what_is_here_is_not_got_again(tmp_path, server):
    (tmp_path / "test_data.jsonl").write_bytes(CONTENT["test_data.jsonl"])
    fetched = fetch(tmp_path, f"{server.url}/", files=FILES)
    assert [f.was_here for f in fetched] == [False, True]
    assert server.asked == [f"/at/{COMMIT}/home_status_method.jsonl"]


def test_other_bytes_than_the_released_ones_never_take_the_files_place(tmp_path, server):
    server.has["test_data.jsonl"] = b"records\r\n"
    with pytest.raises(InfrastructureError, match=r"not the released test_data\.jsonl"):
        fetch(tmp_path, server.url, files=FILES)
    assert names(tmp_path) == ["home_status_method.jsonl"]


def test_a_file_that_breaks_off_leaves_nothing(tmp_path, server):
    server.cuts = 1
    with pytest.raises(InfrastructureError) as caught:
        fetch(tmp_path, server.url, files=FILES)
    assert caught.value.retryable
    assert names(tmp_path) == []


def test_a_file_that_never_ends_is_not_read_to_its_end(tmp_path, server, monkeypatch):
    monkeypatch.setattr(fetching, "FILE_LIMIT", 5999)
    with pytest.raises(InfrastructureError, match="sends over"):
        fetch(tmp_path, server.url, files=FILES)
    assert names(tmp_path) == []


def test_another_file_of_that_name_stops_everything_before_it_begins(tmp_path, server):
    (tmp_path / "test_data.jsonl").write_bytes(b"mine")
    with pytest.raises(RefusedError, match="is there already"):
        fetch(tmp_path, server.url, files=FILES)
    assert server.asked == []
    fetch(tmp_path, server.url, files=FILES, replace=True)
    assert (tmp_path / "test_data.jsonl").read_bytes() == CONTENT["test_data.jsonl"]


def test_a_source_without_the_files_is_told_with_its_answer(tmp_path, server):
    with pytest.raises(InfrastructureError, match="answered 404"):
        fetch(tmp_path, server.url.replace(COMMIT, "main"), files=FILES)


def test_a_source_that_cannot_be_reached_is_an_infrastructure_error(tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(InfrastructureError, match="cannot be reached"):
        fetch(tmp_path, server.url, files=FILES)


@pytest.mark.parametrize("source", ["file:///etc", "ftp://host/data", "dataset"])
def test_only_addresses_of_the_web_are_a_source(tmp_path, source):
    with pytest.raises(RefusedError, match="is no address"):
        fetch(tmp_path, source, files=FILES)


def test_the_source_is_pinned_to_a_commit_and_every_file_to_its_content():
    assert COMMIT in SOURCE
    assert len(COMMIT) == 40
    assert len(RELEASED) == 5
    assert {len(blob) for blob in RELEASED.values()} == {40}
