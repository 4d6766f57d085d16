"""Turn a planned request into what a chat server is asked, and its answer into the planned one's.

lm_eval's names of generation arguments become the protocol's; what has no name there is
refused before anything is asked.  Servers differ in what they take: ``Dialect``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rdagent.errors import RefusedError
from rdagent.records.keys import is_sampled, request_seed
from rdagent.records.lengths import LONGEST, LONGEST_NAMES
from rdagent.records.plan import Plan, Request, read_requests

#: Servers take no more; the text is cut at the others when it is here.
STOPS_AT_ONCE = 4
#: How long an answer may be when neither its task nor the request says: lm_eval's own number.
#: Numbers that the protocol calls alike.
_SAME_NAMES = ("top_p", "presence_penalty", "frequency_penalty")
#: Draws only: a greedy answer is the same whatever they say.
_OF_DRAWS = ("top_p",)
KNOWN = ("until", "do_sample", "temperature", *LONGEST_NAMES, *_SAME_NAMES)
_UNSUPPORTED = re.compile(
    r"unsupported|not support|not supported|unrecogni[sz]ed|unknown|unexpected|not permitted"
    r"|not allowed|does not accept|extra (?:field|input)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server wants to be asked; found out by asking, each part once."""

    longest: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stops: bool = True
    seeds: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"longest": self.longest, "stops": self.stops, "seeds": self.seeds}

    @classmethod
    def from_json(cls, document: Any) -> Dialect:
        """Read it; what is not there is as usual."""
        told: Mapping[str, Any] = document if isinstance(document, dict) else {}
        return cls(
            longest="max_completion_tokens"
            if told.get("longest") == "max_completion_tokens"
            else "max_tokens",
            stops=told.get("stops") is not False,
            seeds=told.get("seeds") is not False,
        )

    def after(self, complaint: str, parameter: str | None) -> Dialect | None:
        """Return how to ask instead, now that a server complained; None: it is not about this."""
        if not _UNSUPPORTED.search(complaint):
            return None
        if self.longest == "max_tokens" and "max_completion_tokens" in complaint:
            return replace(self, longest="max_completion_tokens")
        if self.stops and names("stop", complaint, parameter):
            return replace(self, stops=False)
        if self.seeds and names("seed", complaint, parameter):
            return replace(self, seeds=False)
        return None


def names(name: str, complaint: str, parameter: str | None) -> bool:
    """Tell whether a complaint is about an argument: a bare word in it is none."""
    called = rf"(?:['\"`.]|(?:supplied|arguments?|parameters?|fields?|inputs?):? ){name}\b"
    return parameter == name or re.search(called, complaint) is not None


@dataclass(frozen=True, slots=True)
class Question:
    """What a server is asked, whatever its dialect."""

    messages: Sequence[Mapping[str, Any]]
    #: The last message is the beginning of the answer, which is to be gone on with.
    begun: bool
    stops: tuple[str, ...]
    longest: int
    temperature: float
    others: Mapping[str, float]
    #: Of a drawn answer.
    seed: int | None

    def body(self, model: str, dialect: Dialect) -> dict[str, Any]:
        """Return the JSON document to send."""
        told: dict[str, Any] = {
            "model": model,
            "messages": list(self.messages),
            dialect.longest: self.longest,
            "temperature": self.temperature,
            **self.others,
        }
        if self.stops and dialect.stops:
            told["stop"] = list(self.stops[:STOPS_AT_ONCE])
        if self.seed is not None and dialect.seeds:
            told["seed"] = self.seed
        if self.begun:
            # No part of the protocol; vLLM and SGLang take it.
            told |= {"add_generation_prompt": False, "continue_final_message": True}
        return told

    def cut(self, text: str) -> str:
        """Return a text up to the first of each stop string, as lm_eval's own models do."""
        for stop in self.stops:
            text = text.split(stop)[0]
        return text


def question_of(request: Request, seed: int) -> Question:
    """Return what a planned request asks; raises RefusedError for what cannot be asked."""
    messages, answer = _messages(request)
    told = _checked(request)
    sampled = is_sampled(request.kind, request.arguments)
    warmth = told.get("temperature")
    return Question(
        messages=messages,
        begun=not answer,
        stops=_stops(told.get("until")),
        longest=_longest(told),
        # Said aloud in any case: a server's own default may be another one.
        temperature=(1.0 if warmth is None else float(warmth)) if sampled else 0.0,
        others={
            name: float(told[name])
            for name in _SAME_NAMES
            if told.get(name) is not None and (sampled or name not in _OF_DRAWS)
        },
        seed=request_seed(request.key, request.draw, seed) if sampled else None,
    )


def _messages(request: Request) -> tuple[list[dict[str, Any]], bool]:
    try:
        told = json.loads(request.arguments[0])
        messages, answer = told["messages"], told["answer"]
    except (ValueError, TypeError, KeyError, IndexError):
        messages = answer = None
    if request.kind != "generate" or not isinstance(messages, list) or not messages:
        raise RefusedError(
            "a prompt is no list of messages: its task makes a text of its own, which a server"
            " that chats cannot be asked",
            hint="use engine hf or vllm",
        )
    return messages, answer is not False


def _checked(request: Request) -> Mapping[str, Any]:
    told = request.arguments[1] if len(request.arguments) > 1 else {}
    for name in told:
        if name not in KNOWN and (name, told[name]) != ("num_beams", 1):
            raise RefusedError(
                f"the generation argument {name}={told[name]!r} has no name in the chat protocol",
                hint=f"known: {', '.join(KNOWN)}",
            )
    numbers = ("temperature", *_SAME_NAMES, *LONGEST_NAMES)
    for name in numbers:
        value = told.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise RefusedError(f"the generation argument {name} is {value!r}, no number")
    return told


def _stops(until: Any) -> tuple[str, ...]:
    stops = [until] if isinstance(until, str) else list(until or ())
    if not all(isinstance(stop, str) for stop in stops):
        raise RefusedError(f"the generation argument until is {until!r}, no list of texts")
    # An empty one stops nothing, here as in lm_eval.
    return tuple(stop for stop in stops if stop)


def _longest(told: Mapping[str, Any]) -> int:
    found = next((told[name] for name in LONGEST_NAMES if told.get(name) is not None), LONGEST)
    if found < 1:
        raise RefusedError(f"answers of {found} tokens are asked for", hint="--max-gen-toks 256")
    return int(found)


def check_plan(folder: Path, seed: int) -> bool:
    """Return whether a plan's prompts begin answers; every request of it can be asked.

    Raises RefusedError, with the task's name, for the first that cannot.
    """
    begun = False
    for number, request in enumerate(read_requests(folder)):
        try:
            begun = question_of(request, seed).begun or begun
        except RefusedError as error:
            places = Plan.read(folder).occurrences
            task = next((one.task for one in places if one.request == number), "?")
            raise RefusedError(f"Task '{task}': {error.message}", hint=error.hint) from None
    return begun
