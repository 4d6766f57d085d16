"""An endpoint's address and key: what is taken, what is refused, and that no key is shown."""

import pytest

from rdagent.errors import RefusedError, UsageError
from rdagent.evaluation.endpoint.address import check_model_name, parse_endpoint, read_key

KEY = "sk-Secret0123456789abcdefghij"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    monkeypatch.delenv("RDAGENT_ENDPOINT_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("https://API.example.com/v1/chat/completions", "https://api.example.com/v1"),
        (" http://localhost:8000/v1 ", "http://localhost:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://host", "https://host"),
    ],
)
def test_the_same_server_has_one_address_however_it_is_written(given, url):
    assert parse_endpoint(given, None, 8).url == url


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "api.example.com/v1",
        "ftp://host/v1",
        "https:///v1",
        "https://host:no/v1",
        "https://ho st/v1",
        "https://host/v1?api-version=1",
        "https://host/v1#x",
    ],
)
def test_what_is_no_address_of_a_server_is_refused(given):
    with pytest.raises(UsageError):
        parse_endpoint(given, None, 8)


def test_a_key_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(UsageError) as caught:
        parse_endpoint(f"https://me:{KEY}@host/v1", None, 8)
    assert KEY not in str(caught.value)
    assert "RDAGENT_ENDPOINT_KEY" in caught.value.hint


@pytest.mark.parametrize("count", [0, -1, 257])
def test_a_number_of_requests_at_a_time_has_bounds(count):
    with pytest.raises(UsageError, match="endpoint_concurrency"):
        parse_endpoint("https://host/v1", None, count)


@pytest.mark.parametrize("revision", ["", "  ", "june\x1b[31m"])
def test_a_revision_is_a_text_that_can_be_told_from_others(revision):
    with pytest.raises(UsageError, match="endpoint_revision"):
        parse_endpoint("https://host/v1", revision, 8)


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://models.example.com/v1", True),
        ("http://10.0.0.5:8000/v1", True),
        ("https://models.example.com/v1", False),
        ("http://localhost:8000/v1", False),
        ("http://127.1.2.3/v1", False),
        ("http://[::1]/v1", False),
        ("http://localhost.example.com/v1", True),
    ],
)
def test_only_what_leaves_this_machine_unencrypted_can_be_read_on_its_way(url, plain):
    assert parse_endpoint(url, None, 8).is_plain is plain


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 300, "{mount:in}"])
def test_a_model_has_a_name(name):
    with pytest.raises(UsageError):
        check_model_name(name)


def test_the_key_is_the_files_else_the_settings(monkeypatch, tmp_path):
    assert read_key(None) is None
    monkeypatch.setenv("RDAGENT_ENDPOINT_KEY", "from-the-environment")
    assert read_key(None).get_secret_value() == "from-the-environment"
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert read_key(tmp_path / "key").get_secret_value() == KEY
    assert KEY not in repr(read_key(tmp_path / "key"))


def test_the_key_may_stand_in_the_env_file(tmp_path):
    (tmp_path / ".env").write_text(f"RDAGENT_ENDPOINT_KEY={KEY}\n")
    assert read_key(None).get_secret_value() == KEY


@pytest.mark.parametrize(
    "content",
    [b"", b" \n", b"two words of it", b"sk-1\nsk-2", "schlüssel".encode(), b"\xff", b"k" * 20_000],
)
def test_a_file_that_holds_no_key_is_refused_without_showing_it(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(RefusedError, match=r"no key|no text") as caught:
        read_key(tmp_path / "key")
    assert "sk-1" not in str(caught.value)


def test_a_key_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RefusedError, match="cannot be read"):
        read_key(tmp_path / "none")
