"""The log on disk: whole where it fits, honest where it does not, without secrets."""

import base64
import errno
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdagent.files.redaction import Redactor, is_secret_name, redact_environment, redact_text
from rdagent.jobs.log_pump import LogPump
from rdagent.jobs.logfile import RING_BYTES, LogFile

SECRET = "pa55/w0rd+with signs"


class Full:
    """A file on a disk that takes so many bytes and no more."""

    closed = False

    def __init__(self, room):
        self.room, self.content = room, b""

    def write(self, chunk):
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = chunk[: self.room]
        self.room -= len(taken)
        self.content += taken
        return len(taken)

    def close(self):
        self.closed = True


def test_a_full_disk_costs_the_end_of_the_log_and_raises_nothing(tmp_path):
    log = LogFile(tmp_path / "log.txt", 1 << 30)
    log._sink.close()
    log._sink = disk = Full(10)
    for _ in range(3):
        log.write(b"0123456")
    log.close()
    assert disk.content == b"0123456012"
    assert log.trouble.errno == errno.ENOSPC


def test_what_a_full_disk_held_back_is_written_when_there_is_room_again(tmp_path):
    log = LogFile(tmp_path / "log.txt", 1 << 30)
    log._sink.close()
    log._sink = disk = Full(3)
    log.write(b"0123456")
    disk.room = 1000
    log.close()
    assert disk.content == b"0123456"


def test_memory_is_bounded_past_the_cap(tmp_path):
    with LogFile(tmp_path / "log.txt", 0) as log:
        for _ in range(100):
            log.write(b"x" * RING_BYTES)
            assert sum(map(len, log._ring)) <= RING_BYTES
    assert (tmp_path / "log.txt").stat().st_size < 2 * RING_BYTES + 100


FORMS = [
    SECRET,
    quote(SECRET, safe=""),
    quote(SECRET),
    base64.b64encode(SECRET.encode()).decode(),
    base64.urlsafe_b64encode(SECRET.encode()).decode(),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_in_every_form(form):
    assert form not in redact_text(f"a {form} b", [SECRET])


def test_a_secret_inside_an_authorization_header_is_masked():
    for user in ("u", "us", "use", "user"):
        header = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
        shown = redact_text(header, [SECRET])
        user_part = len(base64.b64encode(f"{user}:".encode()))
        assert len(shown.replace("***", "")) <= user_part + 4


@given(st.lists(st.integers(1, 40), min_size=1), st.text(max_size=50))
def test_a_secret_cut_by_chunks_is_masked(sizes, around):
    text = f"{around}{SECRET}{around}{SECRET}".encode()
    redactor, out, at = Redactor([SECRET]), b"", 0
    for size in [*sizes, len(text)]:
        out += redactor.feed(text[at : at + size])
        at += size
    out += redactor.flush()
    assert SECRET.encode() not in out
    assert out == text.replace(SECRET.encode(), b"***")


def test_output_without_secrets_is_passed_on_at_once_and_as_it_is():
    redactor = Redactor([SECRET])
    assert redactor.feed(b"\xff\xfe step 1\n") == b"\xff\xfe step 1\n"


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "HFTOKEN", "MY_SECRET", "DBPASSWORD", "AWS_SECRET_KEY", "api_key", "GH_PAT"],
)
def test_names_of_secrets_are_recognised(name):
    assert is_secret_name(name)
    assert redact_environment({name: "value"}) == {name: "***"}


@pytest.mark.parametrize("name", ["PATH", "PWD", "TOKENIZERS_PARALLELISM", "KEYBOARD", "PATTERN"])
def test_other_names_are_not(name):
    assert not is_secret_name(name)


def test_the_shapes_of_tokens_and_passwords_in_addresses_are_masked():
    token = "hf_" + "a1B2" * 9
    shown = redact_text(f"{token} https://user:pw@mirror.example/simple", [])
    assert shown == "*** https://***@mirror.example/simple"


class Streams:
    """A backend whose log breaks off: each follow yields one of these."""

    def __init__(self, *streams):
        self.streams, self.asked = list(streams), []

    def follow(self, identifier, since):
        self.asked.append(since)
        yield from self.streams.pop(0) if self.streams else ()


def pumped(tmp_path, *streams):
    backend = Streams(*streams)
    with LogFile(tmp_path / "log.txt", 1 << 30) as sink:
        pump = LogPump(backend, "x", sink)
        pump.start()
        pump.finish()
    return (tmp_path / "log.txt").read_bytes()


def test_a_stream_that_breaks_off_is_taken_up_where_it_ended(tmp_path):
    content = pumped(tmp_path, [b"one\n", b"tw"], [b"one\ntwo\nthr", b"ee\n"])
    assert content == b"one\ntwo\nthree\n"


def test_what_came_between_the_last_stream_and_the_end_of_the_job_is_not_lost(tmp_path):
    assert pumped(tmp_path, [], [b"the end\n"]) == b"the end\n"
