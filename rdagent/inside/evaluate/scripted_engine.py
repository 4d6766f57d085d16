"""Engine ``scripted``: answers from a file, for trying everything else without a model.

The file is one JSON object: ``load_seconds`` and ``seconds_per_request`` (0 unless said),
``answers`` (prompt → text), ``variants`` (variant → prompt → text) and ``default``, the
text for every other prompt.  Likelihoods are drawn from the request's key and the
variant's name: the same each time, another one for each variant.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.errors import JobFailed, ResultError
from rdagent.files import untrusted
from rdagent.records.answered import Answered
from rdagent.records.fields import Fields
from rdagent.records.ledger import Answer, Output
from rdagent.records.plan import Request
from rdagent.records.requests import EvaluateRequest, Variant

_SPREAD = 20.0


@dataclass(slots=True)
class ScriptedEngine:
    """Says what its script says."""

    answers: Mapping[str, str]
    variants: Mapping[str, Mapping[str, str]]
    default: str
    seconds_per_request: float = 0.0
    _variant: str = field(default="", init=False)

    @classmethod
    def open(cls, request: EvaluateRequest) -> ScriptedEngine:
        """Read the script and wait for as long as it says that loading takes."""
        if request.script is None:
            raise JobFailed(
                "engine scripted needs a script", reason="refused", exit_code=2, hint="--script"
            )
        try:
            return cls.read(Path(request.script))
        except ResultError as error:
            raise JobFailed(
                f"the script cannot be read: {error.message}", reason="refused", exit_code=2
            ) from error

    @classmethod
    def read(cls, path: Path) -> ScriptedEngine:
        """Read a script; raises ResultError when it is none."""
        fields = Fields(untrusted.read_json(path), path.name)
        time.sleep(fields.number("load_seconds", 0.0))
        return cls(
            answers=_texts(fields.mapping("answers")),
            variants={name: _texts(said) for name, said in fields.mapping("variants").items()},
            default=fields.text("default", ""),
            seconds_per_request=fields.number("seconds_per_request", 0.0),
        )

    def use(self, variant: Variant) -> Answered:
        """Answer as this variant."""
        self._variant = variant.name
        return Answered("scripted", "none", "none", "1", max_model_len=1 << 20)

    def answer(self, requests: Sequence[Request], on_answer: Callable[[], None]) -> list[Answer]:
        """Return what the script says to each request."""
        found = []
        for request in requests:
            if self.seconds_per_request:
                time.sleep(self.seconds_per_request)
            found.append(self._one(request))
            on_answer()
        return found

    def _one(self, request: Request) -> Answer:
        value: tuple[float, bool] | float | None = None
        outputs: tuple[Output, ...] = ()
        if request.kind == "generate":
            outputs = (Output(self._text(str(request.arguments[0])), "stop"),)
        else:
            drawn = self._drawn(request.key)
            value = -drawn if request.kind == "rolling" else (-drawn, drawn < 1.0)
        return Answer(
            request.key,
            request.draw,
            request.kind,
            outputs=outputs,
            value=value,
            prompt_tokens=request.tokens,
            seconds=self.seconds_per_request,
            chunk=request.chunk,
            batch="1",
        )

    def _text(self, prompt: str) -> str:
        own = self.variants.get(self._variant, {})
        return own.get(prompt, self.answers.get(prompt, self.default))

    def _drawn(self, key: str) -> float:
        digest = hashlib.sha256(f"{key}:{self._variant}".encode()).digest()
        return int.from_bytes(digest[:4], "big") / (1 << 32) * _SPREAD

    def render(self, messages: Any, *, add_generation_prompt: bool) -> str | None:
        """Return None: nothing is rendered here."""
        return None

    def close(self) -> None:
        """Nothing is held."""


def _texts(mapping: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in mapping.values()):
        raise ResultError("the answers of a script are texts")
    return dict(mapping)
