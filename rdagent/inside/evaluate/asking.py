"""Put planned requests to one of lm_eval's own models, and note beside each answer what it took.

Truncation, stop strings and likelihoods stay lm_eval's.  Every text is passed as a
``Numbered`` string: the same object comes back in lm_eval's cache hook, whatever order
and batches the model chose.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lm_eval.api.instance import Instance

from rdagent.records.keys import Kind, is_sampled, request_seed
from rdagent.records.ledger import Answer, Output
from rdagent.records.plan import Request

OnAnswer = Callable[[], None]
_METHODS: dict[Kind, str] = {
    "loglikelihood": "loglikelihood",
    "rolling": "loglikelihood_rolling",
    "generate": "generate_until",
}


class Numbered(str):
    """A text that knows which request it is of."""

    __slots__ = ("number",)
    number: int

    @classmethod
    def of(cls, text: str, number: int) -> Numbered:
        """Return the text with a number."""
        made = cls(text)
        made.number = number
        return made


@dataclass(frozen=True, slots=True)
class Generated:
    """How one text was generated."""

    finish_reason: str
    token_ids: tuple[int, ...]
    prompt_tokens: int


class Watcher(Protocol):
    """Notes how texts are generated, in the order in which lm_eval then hands them out."""

    generated: deque[Generated]


@dataclass(slots=True)
class Asker:
    """Answers requests with a loaded model of lm_eval."""

    lm: Any
    watcher: Watcher
    seed: int
    batch: str
    #: The most tokens of prompt and answer together that are read when an answer is scored.
    scored_room: int
    #: Drawn answers: one row a call with a seed set before it, or a seed in the arguments.
    seed_before_call: Callable[[int], None] | None = None
    _found: dict[int, tuple[Any, Generated | None]] = field(default_factory=dict)

    def answer(self, requests: Sequence[Request], on_answer: OnAnswer) -> list[Answer]:
        """Return the answers, in order; all requests are of one kind, drawn or not."""
        self._found = {}
        self.lm.set_cache_hook(_Hook(self, on_answer))
        began = time.monotonic()
        if self.seed_before_call and is_sampled(requests[0].kind, requests[0].arguments):
            values = [self._drawn(number, one) for number, one in enumerate(requests)]
        else:
            values = self._ask(list(enumerate(requests)))
        seconds = (time.monotonic() - began) / len(requests)
        return [
            self._answer(one, value, self._found.get(number), seconds)
            for number, (one, value) in enumerate(zip(requests, values, strict=True))
        ]

    def _drawn(self, number: int, request: Request) -> Any:
        if self.seed_before_call:
            self.seed_before_call(request_seed(request.key, request.draw, self.seed))
        (value,) = self._ask([(number, request)])
        return value

    def _ask(self, numbered: list[tuple[int, Request]]) -> list[Any]:
        method = _METHODS[numbered[0][1].kind]
        instances = [self._instance(method, number, one) for number, one in numbered]
        self.watcher.generated.clear()
        return list(getattr(self.lm, method)(instances, disable_tqdm=True))

    def _instance(self, method: str, number: int, request: Request) -> Instance:
        first, *rest = request.arguments
        if self.seed_before_call is None and is_sampled(request.kind, request.arguments):
            seed = request_seed(request.key, request.draw, self.seed)
            rest = [{**rest[0], "seed": seed}]
        return Instance(
            request_type=method,
            doc={},
            arguments=(Numbered.of(first, number), *rest),
            idx=number,
            metadata=("", number, 1),
        )

    def took(self, text: Any, value: Any) -> None:
        """Note that a request was answered."""
        is_text = isinstance(value, str) and self.watcher.generated
        how = self.watcher.generated.popleft() if is_text else None
        if isinstance(text, Numbered):
            self._found[text.number] = (value, how)

    def _answer(
        self,
        request: Request,
        value: Any,
        found: tuple[Any, Generated | None] | None,
        seconds: float,
    ) -> Answer:
        how = found[1] if found and found[0] == value else None
        truncated = self._is_cut(request, how)
        common = {"chunk": request.chunk, "batch": self.batch, "seconds": seconds}
        if request.kind != "generate":
            return Answer(
                request.key,
                request.draw,
                request.kind,
                value=value,
                prompt_tokens=request.tokens,
                truncated=truncated,
                **common,  # type: ignore[arg-type]
            )
        output = Output(
            text=value,
            finish_reason=how.finish_reason if how else None,
            n_tokens=len(how.token_ids) if how else None,
            token_ids=how.token_ids if how else None,
        )
        return Answer(
            request.key,
            request.draw,
            request.kind,
            outputs=(output,),
            prompt_tokens=request.tokens,
            truncated=truncated,
            **common,  # type: ignore[arg-type]
        )

    def _is_cut(self, request: Request, how: Generated | None) -> bool:
        if request.tokens is None or request.kind == "rolling":
            return False  # a text that is scored window by window loses nothing
        if request.kind == "generate":
            return how is not None and how.prompt_tokens < request.tokens
        return request.tokens > self.scored_room


class _Hook:
    """Stands in lm_eval's place for a cache: it is told of every answer once it is there."""

    def __init__(self, asker: Asker, on_answer: OnAnswer) -> None:
        self._asker, self._on_answer = asker, on_answer

    def add_partial(self, method: str, arguments: Sequence[Any], value: Any) -> None:
        """Take an answer."""
        self._asker.took(arguments[0], value)
        self._on_answer()
