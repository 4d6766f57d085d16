"""Where a server is, which of its models are meant, and the key that it wants.

Read in ``preflight``, used by ``run``.  The key is no part of any of these objects: it is
read when the server is asked, and given to the client alone.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from rdagent.core.settings import PathSettings, load
from rdagent.errors import RefusedError, UsageError
from rdagent.files.printable import one_line

CONCURRENCY, MOST_CONCURRENCY = 8, 256
_CHAT = "/chat/completions"
_KEY_LIMIT = 16 * 1024
_KEY = re.compile(r"[\x21-\x7e]+")
_NAME_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server; ``url`` is its base, without a key and without a slash at its end."""

    url: str
    #: What the user says of which models are served; equal revisions have equal answers.
    revision: str | None = None
    #: How many requests it is sent at a time; it decides no answer.
    concurrency: int = CONCURRENCY

    @property
    def chat_url(self) -> str:
        """Where questions go."""
        return self.url + _CHAT

    @property
    def models_url(self) -> str:
        """Where the server lists its models, if it does."""
        return f"{self.url}/models"

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def is_plain(self) -> bool:
        """Whether anyone between here and the server can read what is sent."""
        return self.url.startswith("http://") and not self.is_loopback

    def identity(self) -> dict[str, Any]:
        """Return what of it decides a result."""
        return {"url": self.url, "revision": self.revision}


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model as its server calls it; nothing of it is on this machine."""

    name: str

    @property
    def inside(self) -> str:
        """What a job's words call it."""
        return self.name

    @property
    def context_length(self) -> int | None:
        """Not known here."""
        return None


def parse_endpoint(url: str | None, revision: str | None, concurrency: int) -> Endpoint:
    """Return a checked endpoint; raises UsageError, which never repeats a key in the address."""
    if not url:
        raise UsageError(
            "engine endpoint needs the address of a server",
            hint="--endpoint https://host/v1, or FT_BENCHMARK_ENDPOINT.",
        )
    if not 1 <= concurrency <= MOST_CONCURRENCY:
        raise UsageError(f"endpoint_concurrency cannot be {concurrency}: 1 to {MOST_CONCURRENCY}")
    if revision is not None and not _is_plain_text(revision):
        raise UsageError("endpoint_revision is no text that could be told from another")
    return Endpoint(_base(url.strip()), revision, concurrency)


def _base(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError("the endpoint is no address", hint="https://host/v1") from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x1f]", url):
        raise UsageError("the endpoint is no http address", hint="https://host/v1")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "the endpoint's address holds a user or a password",
            hint="A key comes from RDAGENT_ENDPOINT_KEY or --endpoint-key-file.",
        )
    if parts.query or parts.fragment:
        raise UsageError(
            "the endpoint's address holds a query or a fragment", hint="Give its base: …/v1"
        )
    named = f"[{host}]" if ":" in host else host
    place = named if port is None else f"{named}:{port}"
    # Given with the last part, as other tools want it, it is the same server.
    path = parts.path.rstrip("/").removesuffix(_CHAT).rstrip("/")
    return f"{parts.scheme}://{place}{path}"


def check_model_name(name: str) -> RemoteModel:
    """Return a server's model; raises UsageError for a name that none can have."""
    if not _is_plain_text(name) or "{" in name:  # a brace would refer to a job's mounts
        raise UsageError(f"{name[:80]!r} is no name of a server's model")
    return RemoteModel(name)


def _is_plain_text(text: str) -> bool:
    return bool(text) and one_line(text, _NAME_LIMIT) == text


def read_key(file: Path | None) -> SecretStr | None:
    """Return the key: the file's, else that of ``RDAGENT_ENDPOINT_KEY``; None without any."""
    if file is None:
        found = load(PathSettings).rdagent_endpoint_key
        key = found.get_secret_value().strip() if found else ""
        source = "RDAGENT_ENDPOINT_KEY"
    else:
        key, source = _read(file), str(file)
    if not key:
        return None
    if not _KEY.fullmatch(key):
        raise RefusedError(
            f"{source} holds no key: a key is one word of printable ASCII characters"
        )
    return SecretStr(key)


def _read(file: Path) -> str:
    try:
        with file.expanduser().open("rb") as stream:
            content = stream.read(_KEY_LIMIT + 1)
        text = content.decode("utf-8").strip()
    except OSError as error:
        raise RefusedError(f"the key file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RefusedError(f"the key file {file} is no text") from None
    if not text or len(content) > _KEY_LIMIT:
        raise RefusedError(f"the key file {file} holds no key")
    return text
