"""A model hub over HTTP: which files a revision has, and their bytes, from any position on.

The user's token goes to the official hub only, unless it is asked for; redirects to
another host never see it (``requests`` takes it off).  Used by ``download``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from rdagent import __version__
from rdagent.errors import InfrastructureError, RefusedError
from rdagent.files.printable import one_line

if TYPE_CHECKING:
    import requests

OFFICIAL = "https://huggingface.co"
_OFFICIAL_HOSTS = ("huggingface.co", "hf.co")
TIMEOUT_SECONDS = (10.0, 60.0)
_CHUNK = 1 << 20
_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LISTING_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a revision; one of the two sums is known for every file of a hub."""

    path: str
    bytes: int
    sha256: str = ""
    #: Git's own sum of small files: SHA-1 over a header and the content.
    blob: str = ""


@dataclass(frozen=True, slots=True)
class HubModel:
    """One commit of a model."""

    name: str
    commit: str
    files: tuple[HubFile, ...]


class Hub:
    """One endpoint; making the object does no I/O."""

    def __init__(self, endpoint: str = OFFICIAL, token: str | None = None) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._token = token
        self._session: requests.Session | None = None

    @property
    def is_official(self) -> bool:
        """Whether this is the hub that users' tokens are for."""
        parts = urlsplit(self.endpoint)
        host = parts.hostname or ""
        ours = any(host == name or host.endswith(f".{name}") for name in _OFFICIAL_HOSTS)
        return ours and parts.scheme == "https"

    def model(self, name: str, revision: str = "main") -> HubModel:
        """Look a revision up and pin it to its commit."""
        if not _NAME.fullmatch(name):
            raise RefusedError(
                f"{name!r} is no model of a hub", hint="Names have two parts: Qwen/Qwen3-0.6B."
            )
        path = f"api/models/{name}/revision/{quote(revision, safe='')}?blobs=true"
        with self._get(path, f"{name} (revision {revision})") as answer:
            content = bytearray()
            for chunk in answer.iter_content(_CHUNK):
                content += chunk
                if len(content) > _LISTING_LIMIT:
                    raise InfrastructureError(f"{self.endpoint} lists more files than are read")
        return _model(name, _json(bytes(content), self.endpoint))

    def chunks(self, model: HubModel, file: HubFile, start: int) -> Iterator[bytes]:
        """Yield a file's bytes from a position on; raises Restart when it begins at 0 instead."""
        path = f"{model.name}/resolve/{model.commit}/{quote(file.path)}"
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._get(path, f"{file.path} of {model.name}", headers) as answer:
            if start and not _continues(answer, start):
                raise Restart
            # Not ``iter_content``: it drops what has come of a chunk when the rest does not.
            while chunk := answer.raw.read1(_CHUNK):
                yield chunk

    @contextmanager
    def _get(
        self, path: str, what: str, headers: dict[str, str] | None = None
    ) -> Iterator[requests.Response]:
        import requests
        import urllib3

        if self._session is None:
            self._session = requests.Session()
            # What ~/.netrc holds for a host is no token of a hub.
            self._session.auth = _Bearer(self._token)
        given = {"User-Agent": f"rdagent/{__version__}", "Accept-Encoding": "identity"}
        url = f"{self.endpoint}/{path}"
        try:
            with self._session.get(
                url, headers={**given, **(headers or {})}, stream=True, timeout=TIMEOUT_SECONDS
            ) as answer:
                self._check(answer, what)
                yield answer
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _unreachable(self.endpoint, error) from error

    def _check(self, answer: requests.Response, what: str) -> None:
        if answer.status_code < 400:
            return
        code = answer.headers.get("X-Error-Code", "")
        status = f"{answer.status_code} {code}".strip()
        if answer.status_code == 416:
            raise Restart
        if code == "GatedRepo" or (answer.status_code == 403 and not code):
            raise RefusedError(
                f"{what} is gated: {self.endpoint} wants its terms accepted ({status})",
                hint="Accept them on its page, and set HF_TOKEN to a token of that account.",
            )
        if code == "RevisionNotFound":
            raise RefusedError(f"{what} does not exist ({status})", hint="Look at its branches.")
        if answer.status_code in (401, 403, 404):
            raise RefusedError(
                f"{what} is not on {self.endpoint}, or not for you to see ({status})",
                hint="Check the spelling; a private model needs HF_TOKEN.",
            )
        raise InfrastructureError(
            f"{self.endpoint} answered {status} for {what}",
            hint="Try again later; what has come is kept.",
            retryable=answer.status_code in (408, 425, 429) or answer.status_code >= 500,
        )


class Restart(Exception):
    """The hub cannot continue at a position: the file is to be begun anew."""


class _Bearer:
    """Puts the token on a request; without one, nothing, and nothing of ~/.netrc either."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _unreachable(endpoint: str, error: Exception) -> InfrastructureError:
    return InfrastructureError(
        f"{endpoint} cannot be reached: {one_line(str(error), 200)}",
        hint="Check the network, and HF_ENDPOINT; the same command goes on where it ended.",
        retryable=True,
    )


def _continues(answer: requests.Response, start: int) -> bool:
    told = answer.headers.get("Content-Range", "")
    return answer.status_code == 206 and told.startswith(f"bytes {start}-")


def _json(content: bytes, endpoint: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise InfrastructureError(f"{endpoint} did not answer as a hub does") from error
    if not isinstance(document, dict):
        raise InfrastructureError(f"{endpoint} did not answer as a hub does")
    return document


def _model(name: str, document: dict[str, Any]) -> HubModel:
    commit = document.get("sha")
    rows = document.get("siblings")
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit) or not isinstance(rows, list):
        raise InfrastructureError(f"the hub's answer on {name} names no commit or no files")
    files = [_file(row) for row in rows if isinstance(row, dict)]
    return HubModel(name, commit, tuple(sorted(files, key=lambda file: file.path)))


def _file(row: dict[str, Any]) -> HubFile:
    lfs = row.get("lfs")
    stored = cast("dict[str, Any]", lfs) if isinstance(lfs, dict) else {}
    size = stored.get("size", row.get("size"))
    if not isinstance(size, int) or size < 0:
        raise InfrastructureError(f"the hub does not say how large {row.get('rfilename')!r} is")
    return HubFile(
        path=str(row.get("rfilename")),
        bytes=size,
        sha256=str(stored.get("sha256") or ""),
        blob=str(row.get("blobId") or "") if not stored else "",
    )
