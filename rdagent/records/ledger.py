"""``ledger.jsonl``: a model's answers, one a line, each with a checksum.

Whoever answers appends a whole chunk at a time; ``read_ledger`` is strict, ``recover``
drops what a kill cut off.  A ledger says nothing of who answered: its folder does.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.records.fields import Fields
from rdagent.records.keys import KINDS, Kind, canonical, digest_of
from rdagent.records.plan import Request

LEDGER_FILE = "ledger.jsonl"
LEDGER_VERSION = 1
_SUM_LENGTH = 16
_NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class LedgerDamaged(ResultError):
    """A ledger holds a line that was changed, contradicts another one, or lacks an answer."""


@dataclass(frozen=True, slots=True)
class Output:
    """One text that a model wrote."""

    text: str
    finish_reason: str | None = None
    n_tokens: int | None = None
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: texts, or the value of a likelihood."""

    key: str
    draw: int
    kind: Kind
    outputs: tuple[Output, ...] = ()
    #: ``(log-likelihood, is greedy)`` or the log-likelihood of a whole text.
    value: tuple[float, bool] | float | None = None
    prompt_tokens: int | None = None
    truncated: bool = False
    seconds: float = 0.0
    error: str | None = None
    chunk: int = 0
    #: How many were answered together at most: it can decide the last digits.
    batch: str = ""

    @property
    def name(self) -> tuple[str, int]:
        """What it is found by."""
        return self.key, self.draw

    @property
    def said(self) -> Any:
        """What a harness is given of it: the text, or the likelihood."""
        return self.outputs[0].text if self.kind == "generate" else self.value

    @property
    def content(self) -> tuple[Any, ...]:
        """What two answers to one request must have in common."""
        texts = tuple(output.text for output in self.outputs)
        return self.kind, texts, _value_json(self.value), self.error


def encode(answer: Answer) -> str:
    """Return the line of an answer, without its end."""
    document = _to_json(answer)
    return canonical({**document, "sum": digest_of(document)[:_SUM_LENGTH]})


def _to_json(answer: Answer) -> dict[str, Any]:
    document: dict[str, Any] = {
        "v": LEDGER_VERSION,
        "key": answer.key,
        "draw": answer.draw,
        "kind": answer.kind,
        "outputs": [_output_json(output) for output in answer.outputs],
        "prompt_tokens": answer.prompt_tokens,
        "truncated": answer.truncated,
        "seconds": round(answer.seconds, 4),
        "chunk": answer.chunk,
        "batch": answer.batch,
    }
    if answer.value is not None:
        document["value"] = _value_json(answer.value)
    if answer.error is not None:
        document["error"] = answer.error
    return document


def _output_json(output: Output) -> dict[str, Any]:
    document: dict[str, Any] = {"text": output.text}
    for name in ("finish_reason", "n_tokens"):
        if (value := getattr(output, name)) is not None:
            document[name] = value
    if output.token_ids is not None:
        document["token_ids"] = list(output.token_ids)
    if output.logprobs is not None:
        document["logprobs"] = [_number_json(number) for number in output.logprobs]
    return document


def _value_json(value: tuple[float, bool] | float | None) -> Any:
    if isinstance(value, tuple):
        return [_number_json(value[0]), value[1]]
    return None if value is None else _number_json(value)


def _number_json(number: float) -> float | str:
    return number if math.isfinite(number) else str(number)


def decode(line: bytes, where: str) -> Answer:
    """Read a line; raises LedgerDamaged, by key where there is one, when it is not as written."""
    try:
        document = untrusted.parse_json(line, where)
    except ResultError as error:
        raise LedgerDamaged(f"{where} is damaged: {error.message}") from error
    if not isinstance(document, dict):
        raise LedgerDamaged(f"{where} is damaged: not a JSON object")
    said = document.pop("sum", None)
    try:
        if said == digest_of(document)[:_SUM_LENGTH]:
            return _answer(Fields(document, where))
    except ResultError as error:
        raise LedgerDamaged(f"{where} is damaged: {error.message}") from error
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise LedgerDamaged(f"{where} is damaged: {type(error).__name__}: {error}") from error
    raise LedgerDamaged(f"{where} was changed: the answer to {_short(document.get('key'))}")


def _answer(fields: Fields) -> Answer:
    if fields.integer("v") != LEDGER_VERSION:
        raise LedgerDamaged(f"a ledger of version {fields.integer('v')}; we read {LEDGER_VERSION}")
    kind = next((each for each in KINDS if each == fields.text("kind")), None)
    if kind is None:
        raise LedgerDamaged(f"{fields.text('kind')!r} is no kind of request")
    return Answer(
        key=fields.text("key"),
        draw=fields.integer("draw"),
        kind=kind,
        outputs=tuple(_output(Fields(item, "output")) for item in fields.items("outputs")),
        value=_value(fields.anything("value")),
        prompt_tokens=fields.integer_or_none("prompt_tokens"),
        truncated=fields.flag("truncated"),
        seconds=fields.number("seconds", 0.0),
        error=fields.text_or_none("error"),
        chunk=fields.integer("chunk"),
        batch=fields.text("batch", ""),
    )


def _output(fields: Fields) -> Output:
    ids, logprobs = fields.anything("token_ids"), fields.anything("logprobs")
    return Output(
        text=fields.text("text"),
        finish_reason=fields.text_or_none("finish_reason"),
        n_tokens=fields.integer_or_none("n_tokens"),
        token_ids=None if ids is None else tuple(int(number) for number in ids),
        logprobs=None if logprobs is None else tuple(_number(number) for number in logprobs),
    )


def _value(document: Any) -> tuple[float, bool] | float | None:
    if document is None:
        return None
    if isinstance(document, list):
        number, greedy = document
        return _number(number), bool(greedy)
    return _number(document)


def _number(document: Any) -> float:
    if isinstance(document, str):
        return _NOT_FINITE[document]
    if isinstance(document, bool) or not isinstance(document, int | float):
        raise LedgerDamaged(f"{document!r} is no number")
    return document  # an int stays one: what was written is what is read


def _short(key: object) -> str:
    return f"request {str(key)[:12]}"


@dataclass(slots=True)
class Ledger:
    """Answers by (key, draw), and what was noticed while they were read."""

    answers: dict[tuple[str, int], Answer] = field(default_factory=dict)
    #: Answers that stood there twice and agreed.
    duplicates: int = 0

    def add(self, answer: Answer) -> None:
        """Take an answer; raises LedgerDamaged when another one is known for its request."""
        known = self.answers.get(answer.name)
        if known is None:
            self.answers[answer.name] = answer
        elif known.content == answer.content:
            self.duplicates += 1
        else:
            raise LedgerDamaged(f"two different answers to {_short(answer.key)}")

    def missing(self, requests: Iterable[Request]) -> list[Request]:
        """Return the requests that have no answer."""
        return [request for request in requests if request.name not in self.answers]


def read_ledger(path: Path) -> Ledger:
    """Read every line; raises LedgerDamaged for the first one that is not as it was written."""
    ledger = Ledger()
    for answer in read_answers(path):
        ledger.add(answer)
    return ledger


def read_answers(path: Path) -> Iterator[Answer]:
    """Yield the answers one by one; raises LedgerDamaged at the first that is not as written."""
    with os.fdopen(untrusted.open_untrusted(path, untrusted.LINES_LIMIT), "rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                raise LedgerDamaged(f"line {number} of {path.name} is cut off")
            yield decode(line, f"line {number} of {path.name}")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What of a ledger is kept after a kill."""

    kept: tuple[Answer, ...]
    #: Answers of chunks that were not finished.
    dropped: int
    torn: bool


def recover(
    path: Path, chunk_of: Mapping[tuple[str, int], int], *, whole: bool = True
) -> Recovered:
    """Return the answers of finished chunks of this plan; ``chunk_of`` is its requests' chunks.

    Only the last line may be cut off.  Answers to what is not asked are left out.  With
    ``whole`` false those of unfinished chunks are kept as well.
    """
    size = Counter(chunk_of.values())
    ledger, torn = _until_torn(path)
    mine = {name: answer for name, answer in ledger.answers.items() if name in chunk_of}
    found = Counter(chunk_of[name] for name in mine)
    finished = {chunk for chunk, count in found.items() if not whole or count == size[chunk]}
    kept = tuple(answer for name, answer in mine.items() if chunk_of[name] in finished)
    return Recovered(kept, len(mine) - len(kept), torn)


def _until_torn(path: Path) -> tuple[Ledger, bool]:
    content = untrusted.read_bytes(path, untrusted.LINES_LIMIT)
    *lines, last = content.split(b"\n")
    ledger = Ledger()
    for number, line in enumerate(lines, 1):
        ledger.add(decode(line, f"line {number} of {path.name}"))
    return ledger, bool(last)


class LedgerWriter:
    """Appends chunks; what was appended is on the disk when ``append`` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o644)

    def append(self, answers: Iterable[Answer]) -> None:
        """Write the answers of one chunk."""
        content = "".join(f"{encode(answer)}\n" for answer in answers).encode("ascii")
        view = memoryview(content)
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def dump(answers: Iterable[Answer]) -> bytes:
    """Return a whole ledger's bytes."""
    return "".join(f"{encode(answer)}\n" for answer in answers).encode("ascii")
