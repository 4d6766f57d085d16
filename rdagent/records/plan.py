"""What a model is to be asked: every request once, and who asked it.

``plan.json`` holds the occurrences and the prompts that were rendered, ``requests.jsonl``
the requests, in chunks; a chunk is what is done again after a kill.  Written once inside
the evaluation's image; whoever answers needs no harness.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files import atomic, untrusted
from rdagent.records.fields import Fields
from rdagent.records.keys import KINDS, Kind, canonical, digest_of, request_key

PLAN_SCHEMA = "rdagent.plan/1"
PLAN_FILE, REQUESTS_FILE = "plan.json", "requests.jsonl"
_LIMIT = 1024 * untrusted.MEBIBYTE


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask a model; ``arguments`` are as the harness planned them."""

    kind: Kind
    key: str
    #: 0, or the how many-th answer is to be drawn.
    draw: int
    arguments: tuple[Any, ...]
    chunk: int
    #: How long the prompt is, the answer to be scored with it, if that was counted.
    tokens: int | None = None

    @property
    def name(self) -> tuple[str, int]:
        """What its answer is found by."""
        return self.key, self.draw


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place where a request is asked: the number of the request, and for what."""

    request: int
    task: str
    doc_id: int
    idx: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything but the requests themselves."""

    #: Of the ordered occurrences, the arguments, the harness and what renders.
    digest: str
    occurrences: tuple[Occurrence, ...]
    #: What was asked of the harness.
    arguments: Mapping[str, Any]
    #: Harness, tokenizer and template.
    renderer: Mapping[str, Any]
    #: Digest of messages → the prompt that they became.
    renders: Mapping[str, str]
    #: Task → the documents that are asked, when not all of them are.
    selected: Mapping[str, tuple[int, ...]] | None = None

    def write(self, folder: Path, requests: Iterable[Request]) -> None:
        """Write both files; ``plan.json`` last."""
        folder.mkdir(parents=True, exist_ok=True)
        prompts: dict[str, int] = {}
        with atomic.replaced(folder / REQUESTS_FILE) as sink:
            for number, request in enumerate(requests):
                sink.write((canonical(_request_json(request)) + "\n").encode("ascii"))
                if isinstance(request.arguments[0], str):
                    prompts.setdefault(request.arguments[0], number)
        atomic.write_text(folder / PLAN_FILE, canonical(self._to_json(prompts)))

    def _to_json(self, prompts: Mapping[str, int]) -> dict[str, Any]:
        tasks = list(dict.fromkeys(item.task for item in self.occurrences))
        place = {task: number for number, task in enumerate(tasks)}
        return {
            "schema": PLAN_SCHEMA,
            "digest": self.digest,
            "tasks": tasks,
            "occurrences": [
                [item.request, place[item.task], item.doc_id, item.idx] for item in self.occurrences
            ],
            "arguments": dict(self.arguments),
            "renderer": dict(self.renderer),
            # A prompt that a request holds is not written twice.
            "renders": {name: prompts.get(text, text) for name, text in self.renders.items()},
            "selected": self.selected and {t: list(ids) for t, ids in self.selected.items()},
        }

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Read a plan; raises ResultError when it is missing or malformed."""
        fields = Fields(untrusted.read_json(folder / PLAN_FILE, _LIMIT), PLAN_FILE, PLAN_SCHEMA)
        tasks = fields.texts("tasks")
        renders = fields.mapping("renders")
        prompts: dict[int, str] = {}
        if any(isinstance(value, int) for value in renders.values()):
            wanted = {value for value in renders.values() if isinstance(value, int)}
            prompts = {
                number: str(request.arguments[0])
                for number, request in enumerate(read_requests(folder))
                if number in wanted
            }
        try:
            occurrences = tuple(_occurrence(row, tasks) for row in fields.items("occurrences"))
            found = {n: prompts[v] if isinstance(v, int) else str(v) for n, v in renders.items()}
            chosen = fields.mapping_or_none("selected")
            selected = chosen and {task: tuple(map(int, ids)) for task, ids in chosen.items()}
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ResultError(f"{PLAN_FILE}: {type(error).__name__}: {error}") from error
        return cls(
            digest=fields.text("digest"),
            occurrences=occurrences,
            arguments=fields.mapping("arguments"),
            renderer=fields.mapping("renderer"),
            renders=found,
            selected=selected,
        )


def _occurrence(row: Sequence[Any], tasks: Sequence[str]) -> Occurrence:
    number, task, doc_id, idx = row
    if not all(type(value) is int for value in row) or number < -1 or task < 0:
        raise ValueError(f"{row} is no occurrence")
    return Occurrence(number, tasks[task], doc_id, idx)


def asked_by(plan: Plan, requests: Sequence[Request]) -> Iterator[tuple[Occurrence, Request]]:
    """Yield what is asked, with the request; raises ResultError where there is no such request."""
    for place in plan.occurrences:
        if place.request >= len(requests):
            raise ResultError(f"{PLAN_FILE} names request {place.request} of {len(requests)}")
        if place.request >= 0:
            yield place, requests[place.request]


def require_sound(request: Request) -> Request:
    """Return a request of a stranger's plan; raises ResultError when its key is not its own."""
    if request_key(request.kind, request.arguments) != request.key:
        raise ResultError(f"{REQUESTS_FILE}: the key of request {request.key[:12]} is not its own")
    return request


def plan_digest(
    requests: Iterable[tuple[Kind, str, int, str, int, int]],
    arguments: Mapping[str, Any],
    renderer: Mapping[str, Any],
) -> str:
    """Return a plan's identity from its occurrences: kind, key, draw, task, document, idx."""
    return digest_of([[list(row) for row in requests], dict(arguments), dict(renderer)])


def read_requests(folder: Path) -> Iterator[Request]:
    """Yield a plan's requests in order, one in memory at a time."""
    for number, document in enumerate(untrusted.read_json_lines(folder / REQUESTS_FILE), 1):
        yield _request(Fields(document, f"line {number} of {REQUESTS_FILE}"))


def chunks_of(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """Yield the requests chunk by chunk."""
    chunk: list[Request] = []
    for request in requests:
        if chunk and request.chunk != chunk[0].chunk:
            yield chunk
            chunk = []
        chunk.append(request)
    if chunk:
        yield chunk


def _request_json(request: Request) -> dict[str, Any]:
    document = asdict(request)
    return {name: value for name, value in document.items() if value is not None}


def _request(fields: Fields) -> Request:
    kind = fields.text("kind")
    known = next((each for each in KINDS if each == kind), None)
    if known is None:
        raise ResultError(f"{REQUESTS_FILE}: {kind!r} is no kind of request")
    return Request(
        kind=known,
        key=fields.text("key"),
        draw=fields.integer("draw"),
        arguments=tuple(fields.items("arguments")),
        chunk=fields.integer("chunk"),
        tokens=fields.integer_or_none("tokens"),
    )


def message_digest(messages: Any, *, add_generation_prompt: bool) -> str:
    """Return what a rendered prompt is found by."""
    text = json.dumps([messages, add_generation_prompt], sort_keys=True, ensure_ascii=True)
    return digest_of(text)[:32]
