"""Read what a server answered: a stranger's bytes, of which some fields are taken.

A body that is no answer, whatever its status says, is an error with a text of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.files.printable import one_line

#: What stands as the reason of an answer in which the model declined, in a field of its own.
REFUSAL = "refusal"
_WORD, _TOLD = 60, 300
_LEAST_ERROR, _MOST_ERROR, _SERVERS_FAULT = 400, 599, 500


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    #: As it came: nothing is cut yet.
    text: str
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    n_tokens: int | None = None
    #: What the server says of itself, if it does.
    fingerprint: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class ServerError:
    """What a server said in place of an answer."""

    status: int
    message: str
    code: str | None = None
    #: The argument that it does not like.
    parameter: str | None = None

    def __str__(self) -> str:
        code = f" {self.code}" if self.code and self.code != str(self.status) else ""
        return f"{self.status}{code}: {self.message}"


class Malformed(Exception):
    """A body that is neither an answer nor an error as the protocol has them."""


def read_reply(body: bytes, content_type: str) -> Reply | ServerError:
    """Return the answer in a body of status 200, or the error that stands in its place."""
    document = _json(body, content_type)
    if document.get("error") is not None or document.get("object") == "error":
        return _error(_SERVERS_FAULT, document)
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise Malformed("an answer without a message in it")
    usage = document.get("usage")
    used: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
    declined = bool(message.get("refusal"))
    return Reply(
        text=_text(message.get("content")),
        finish_reason=REFUSAL if declined else _word(choice.get("finish_reason")),
        prompt_tokens=_count(used.get("prompt_tokens")),
        n_tokens=_count(used.get("completion_tokens")),
        fingerprint=_word(document.get("system_fingerprint")),
        model=_word(document.get("model")),
    )


def read_error(status: int, body: bytes, content_type: str) -> ServerError:
    """Return what a body says of an error; whatever it is, there is a message."""
    try:
        return _error(status, _json(body, content_type))
    except Malformed as error:
        return ServerError(status, str(error))


def read_models(body: bytes, content_type: str) -> tuple[str, ...]:
    """Return the names of the models that a server lists; raises Malformed for no list."""
    rows = _json(body, content_type).get("data")
    if not isinstance(rows, list):
        raise Malformed("no list of models")
    found = (_word(row.get("id"), 200) for row in rows if isinstance(row, dict))
    return tuple(name for name in found if name)


def _json(body: bytes, content_type: str) -> dict[str, Any]:
    try:
        document = untrusted.parse_json(body, "the answer")
    except ResultError:
        kind = one_line(content_type.partition(";")[0], _WORD) or "of no stated kind"
        began = one_line(body[:_TOLD].decode("utf-8", "replace"), 120)
        raise Malformed(f"not JSON but {kind}: {began!r}" if began else "nothing") from None
    if not isinstance(document, dict):
        raise Malformed("JSON that is no object")
    return document


def _error(status: int, document: Mapping[str, Any]) -> ServerError:
    found = document.get("error")
    told = found if isinstance(found, dict) else document
    message = next(
        (told[name] for name in ("message", "detail", "msg", "error") if told.get(name)), told
    )
    code = told.get("code")
    if isinstance(code, int) and _LEAST_ERROR <= code <= _MOST_ERROR:
        status = code
    return ServerError(status, one_line(str(message), _TOLD), _word(code), _word(told.get("param")))


def _text(content: Any) -> str:
    """Return an answer's text: nothing said is an empty answer, not a missing one."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _word(value: Any, limit: int = _WORD) -> str | None:
    return one_line(value, limit) or None if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    sound = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if sound else None
