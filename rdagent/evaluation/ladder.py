"""What is tried when an evaluation runs out of memory: smaller batches, less memory for vLLM.

Each step is an attempt of the run of its own, written into its events; answers that are
there are kept.  A shorter context changes what is asked, so it needs consent and starts
all answers anew.  Used by ``run``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rdagent.errors import ResultError
from rdagent.evaluation.request import EvaluationRequest
from rdagent.jobs.supervisor import JobEnd
from rdagent.records.requests import Engine
from rdagent.records.status import InsideStatus

MOST_STEPS = 3
EVENT = "out_of_memory_step"
_FIRST_BATCH: dict[Engine, int] = {"hf": 8, "vllm": 64}
_SMALLER = 4
_LOWER_SHARE = 0.7
_SHORTEST = 512


@dataclass(frozen=True, slots=True)
class Rung:
    """What is changed against the request; None leaves it."""

    step: int = 0
    batch_size: str | None = None
    memory_share: float | None = None
    max_model_len: int | None = None

    def applied(self, request: EvaluationRequest) -> EvaluationRequest:
        """Return the request as it is asked on this step."""
        changes = {
            name: value
            for name, value in asdict(self).items()
            if name != "step" and value is not None
        }
        return replace(request, **changes)

    def note(self) -> str:
        """Return what a reader of the numbers should know."""
        told = [
            f"{what} {value}"
            for what, value in (
                ("batch size", self.batch_size),
                ("memory share", self.memory_share),
                ("max_model_len", self.max_model_len),
            )
            if value is not None
        ]
        return f"ran out of memory, and went on with {', '.join(told)}"


def next_rung(
    rung: Rung, request: EvaluationRequest, engine: Engine, *, on_gpu: bool, context: int | None
) -> Rung | None:
    """Return the next thing to try, None when nothing is left."""
    if rung.step >= MOST_STEPS:
        return None
    step = rung.step + 1
    if engine == "vllm" and on_gpu and step == MOST_STEPS - 1 and rung.memory_share is None:
        return replace(rung, step=step, memory_share=_LOWER_SHARE)
    batch = _smaller(rung.batch_size or request.batch_size, engine)
    may_shorten = request.allow_shorter_context and (step == MOST_STEPS or batch is None)
    if may_shorten and rung.max_model_len is None and (shorter := _shorter(request, context)):
        return replace(rung, step=step, max_model_len=shorter)
    return None if batch is None else replace(rung, step=step, batch_size=batch)


def _smaller(batch_size: str, engine: Engine) -> str | None:
    if batch_size.startswith("auto"):
        return str(_FIRST_BATCH.get(engine, 1))
    smaller = max(1, int(batch_size) // _SMALLER)
    return None if smaller == int(batch_size) else str(smaller)


def _shorter(request: EvaluationRequest, context: int | None) -> int | None:
    length = request.max_model_len or context
    return length // 2 if length and length // 2 >= _SHORTEST else None


def ran_out_of_memory(end: JobEnd) -> bool:
    """Tell whether memory ended the job, or one of its variants."""
    if end.outcome.reason == "out_of_memory":
        return True
    if end.outcome.reason != "incomplete":
        return False
    try:
        said = InsideStatus.read(end.out)
    except ResultError:
        return False
    return any(part.reason == "out_of_memory" for part in said.parts)


def last_rung(events: Iterable[Mapping[str, Any]]) -> Rung:
    """Return the step that a run was on when its process died; the foot when it was on none."""
    found = Rung()
    for event in events:
        if event.get("event") == EVENT:
            found = _read(event) or found
    return found


def _read(event: Mapping[str, Any]) -> Rung | None:
    try:
        return Rung(**{name: event.get(name) for name in Rung.__slots__})  # type: ignore[arg-type]
    except TypeError:
        return None
