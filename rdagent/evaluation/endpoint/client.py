"""Ask a chat server one question until it answers, or until it is clear that it will not.

What may pass (no connection, 429, 5xx, a cut body) is tried again, later each time; what
will not is an error for this request, or, for the key, the address or the model, the end
for all of them.  Nothing that is said or raised holds the key.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from rdagent import __version__
from rdagent.errors import JobFailed, RefusedError
from rdagent.evaluation.endpoint.address import Endpoint
from rdagent.evaluation.endpoint.arguments import Dialect, Question, names
from rdagent.evaluation.endpoint.replies import (
    Malformed,
    Reply,
    ServerError,
    read_error,
    read_models,
    read_reply,
)
from rdagent.files.printable import one_line
from rdagent.files.redaction import known_secrets, redact_text

if TYPE_CHECKING:
    import requests

TRIES, KNOCKS = 8, 3
CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 600.0
#: A list of models needs no thinking.
_LIST_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: A server may ask for a longer pause than we would make; for this long we do as it says.
LONGEST_ASKED_PAUSE = 300.0
BODY_LIMIT = 32 << 20
_CHUNK = 1 << 16
_PASSING = (408, 409, 425, 429)
_TOLD = 400
_SHOWN_MODELS = 20


class RequestFailed(Exception):
    """One request gets no answer; others may."""


class Stopped(Exception):
    """The end was asked for before there was an answer."""


class Trouble(Exception):
    """Something that may pass."""

    def __init__(self, what: str, *, wait: float | None = None, silent: bool = False) -> None:
        super().__init__(what)
        self.wait = wait
        #: Somebody is there and has not answered in time.
        self.silent = silent


class Rejected(Exception):
    """The server does not take a request as it is."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Body:
    """What a server sent back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def kind(self) -> str:
        """What it says that its content is."""
        return self.headers.get("Content-Type", "")


@dataclass(slots=True)
class Patience:
    """How long is waited, and by which clock; a test brings its own."""

    tries: int = TRIES
    answer_seconds: float = ANSWER_SECONDS
    #: What is left of the time for everything.
    left: Callable[[], float] = lambda: ANSWER_SECONDS
    #: Wait so long; true when the end is asked for meanwhile.
    pause: Callable[[float], bool] | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    draw: Callable[[], float] = random.random


@dataclass(slots=True)
class ChatClient:
    """Asks one model of one server, from any number of threads."""

    endpoint: Endpoint
    model: str
    key: SecretStr | None = None
    patience: Patience = field(default_factory=Patience)
    dialect: Dialect = field(default_factory=Dialect)
    stop: threading.Event = field(default_factory=threading.Event)
    _sessions: threading.local = field(default_factory=threading.local, init=False)

    def ask(self, question: Question) -> Reply:
        """Return the answer; raises RequestFailed, Stopped, or RefusedError for all of them."""
        tried = 0
        while True:
            dialect = self.dialect
            try:
                return self._once(question.body(self.model, dialect))
            except Rejected as rejected:
                self._adapt(dialect, rejected.error, question)
            except Trouble as trouble:
                tried += 1
                if tried >= self.patience.tries:
                    raise RequestFailed(f"{trouble} ({tried} tries)") from None
                self._wait(tried, trouble.wait)

    def require_reachable(self) -> None:
        """Raise JobFailed when nobody is there; what the server says to it does not matter."""
        for tried in range(1, KNOCKS + 1):
            try:
                self._send("GET", self.endpoint.models_url, seconds=_LIST_SECONDS)
                return
            except Trouble as trouble:
                if trouble.silent:
                    return
                said = str(trouble)
                if tried < KNOCKS and self.patience.left() > LONGEST_PAUSE:
                    self._wait(tried, None)
        raise JobFailed(
            f"{self.endpoint.url} cannot be reached: {said}",
            reason="incomplete",
            exit_code=5,
            hint="Check the address and that the server runs; the same command goes on.",
        )

    def models(self) -> tuple[str, ...] | None:
        """Return the models that the server lists; None when it lists none."""
        try:
            answer = self._send("GET", self.endpoint.models_url, seconds=_LIST_SECONDS)
            return read_models(answer.content, answer.kind) if answer.status == 200 else None
        except (Trouble, Malformed):
            return None

    def _once(self, body: Mapping[str, Any]) -> Reply:
        if self.stop.is_set() or self.patience.left() <= 0:
            raise Stopped
        answer = self._send("POST", self.endpoint.chat_url, body)
        if answer.status != 200:
            raise self._failure(read_error(answer.status, answer.content, answer.kind), answer)
        try:
            found = read_reply(answer.content, answer.kind)
        except Malformed as error:
            raise Trouble(self._clean(f"the server sent {error}")) from None
        if isinstance(found, ServerError):
            raise self._failure(found, answer)
        return found

    def _failure(self, error: ServerError, answer: Body) -> Exception:
        """Return what to raise for a status, or for an error that came in place of an answer."""
        said = self._clean(str(error))
        if 300 <= error.status < 400:
            return self._moved(answer)
        if error.status in (401, 403):
            return self._shut(said)
        if error.status in (404, 405):
            return self._not_there(said)
        if error.status == 402 or error.code == "insufficient_quota":
            return RefusedError(
                f"the account of the key has nothing left: {said}",
                hint="What was answered is kept; the same command goes on.",
            )
        if error.status in _PASSING or error.status >= 500:
            return Trouble(f"the server said {said}", wait=self._asked_pause(answer))
        if error.status in (400, 422):
            return Rejected(error)
        return RequestFailed(f"the server said {said}")

    def _moved(self, answer: Body) -> RefusedError:
        place = self._clean(answer.headers.get("Location", "another address"))
        return RefusedError(
            f"{self.endpoint.chat_url} redirects to {place}, where nothing is sent",
            hint="If that is the server you mean, give its address with --endpoint.",
        )

    def _shut(self, said: str) -> RefusedError:
        has = "does not take the key" if self.key else "wants a key, and none is set"
        return RefusedError(
            f"{self.endpoint.url} {has}: {said}",
            hint="Set RDAGENT_ENDPOINT_KEY, or name a file with --endpoint-key-file.",
        )

    def _not_there(self, said: str) -> RefusedError:
        listed = self.models()
        if listed is None:
            return RefusedError(
                f"{self.endpoint.chat_url} is not there: {said}",
                hint="--endpoint takes the server's base, which mostly ends in /v1.",
            )
        if self.model in listed:
            return RefusedError(f"the server lists {self.model} and does not chat with it: {said}")
        shown = [self._clean(name) for name in listed[:_SHOWN_MODELS]]
        more = f" and {len(listed) - len(shown)} more" if len(listed) > len(shown) else ""
        return RefusedError(
            f"the server has no model {self.model!r}: {said}",
            hint=f"It lists {', '.join(shown)}{more}." if shown else "It lists none.",
        )

    def _adapt(self, asked: Dialect, error: ServerError, question: Question) -> None:
        """Ask in another way from now on; raises when the complaint is about something else."""
        if self.dialect != asked:
            return  # another thread has learned it meanwhile
        further = asked.after(error.message, error.parameter)
        if further is not None:
            self.dialect = further
            return
        said = self._clean(str(error))
        if question.begun and names("continue_final_message", said, error.parameter):
            raise RefusedError(
                f"the tasks begin the answer, which the server cannot go on with: {said}",
                hint="Ask for tasks without gen_prefix, or serve the model with vLLM or SGLang.",
            )
        if names("temperature", said, error.parameter) and question.temperature == 0.0:
            raise RefusedError(
                f"the model cannot be asked for its likeliest answer: {said}",
                hint="--gen-kwargs do_sample=True,temperature=1 draws answers instead.",
            )
        raise RequestFailed(f"the server said {said}")

    def _wait(self, tried: int, asked: float | None) -> None:
        pause = min(FIRST_PAUSE * 2 ** (tried - 1), LONGEST_PAUSE)
        # Those that failed together are not to come back together.
        seconds = pause * (0.5 + self.patience.draw() / 2)
        if asked is not None:
            seconds = max(seconds, min(asked, LONGEST_ASKED_PAUSE) + self.patience.draw())
        wait = self.stop.wait if self.patience.pause is None else self.patience.pause
        if seconds >= self.patience.left() or wait(seconds):
            raise Stopped

    def _asked_pause(self, answer: Body) -> float | None:
        """Return the pause that a server asks for, in seconds; it may give a date instead."""
        told = answer.headers.get("Retry-After", "").strip()
        try:
            return max(0.0, float(told))
        except ValueError:
            pass
        try:
            until = parsedate_to_datetime(told)
        except (ValueError, TypeError, OverflowError):
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - self.patience.now()).total_seconds())

    def _send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        seconds: float = math.inf,
    ) -> Body:
        import requests
        import urllib3

        limit = max(0.1, min(seconds, self.patience.answer_seconds, self.patience.left()))
        try:
            with self._session().request(
                method,
                url,
                json=body,
                headers={"User-Agent": f"rdagent/{__version__}", "Accept-Encoding": "identity"},
                timeout=(min(CONNECT_SECONDS, limit), limit),
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = _read(answer, limit)
                return Body(answer.status_code, answer.headers, content)
        except (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
            raise Trouble(f"no answer within {limit:.0f} s", silent=True) from None
        except (OSError, urllib3.exceptions.HTTPError) as error:  # the library's are OSErrors
            # Not ``from error``: a library's own text may repeat what was sent.
            raise Trouble(self._clean(_cause(error))) from None

    def _session(self) -> requests.Session:
        import requests

        found: requests.Session | None = getattr(self._sessions, "session", None)
        if found is None:
            found = requests.Session()
            # What ~/.netrc holds for a host is no key of an endpoint.
            found.auth = _Bearer(self.key)
            self._sessions.session = found
        return found

    def _clean(self, text: str) -> str:
        """Return a server's text as it may be kept and shown."""
        secrets = (*known_secrets(), *((self.key.get_secret_value(),) if self.key else ()))
        return one_line(redact_text(text, secrets), _TOLD)


def _read(answer: requests.Response, seconds: float) -> bytes:
    """Return a whole body; one that drips, or never ends, is given up."""
    given_up = time.monotonic() + seconds
    content = bytearray()
    while chunk := answer.raw.read1(_CHUNK, decode_content=True):
        content += chunk
        if len(content) > BODY_LIMIT:
            raise Trouble(f"an answer of more than {BODY_LIMIT >> 20} MB")
        if time.monotonic() > given_up:
            raise Trouble(f"an answer that was not whole within {seconds:.0f} s")
    return bytes(content)


def _cause(error: Exception) -> str:
    """Return the innermost reason of a connection's error, without addresses of objects."""
    reason: Any = error
    while (inner := getattr(reason, "reason", None) or _first(reason)) is not None:
        reason = inner
    return f"no connection: {reason}"


def _first(error: Any) -> Exception | None:
    arguments = getattr(error, "args", ())
    return next((one for one in arguments if isinstance(one, Exception)), None)


class _Bearer:
    """Puts the key on a request; without one, nothing, and nothing of ~/.netrc either."""

    def __init__(self, key: SecretStr | None) -> None:
        self._key = key

    def __call__(self, request: Any) -> Any:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        return request
