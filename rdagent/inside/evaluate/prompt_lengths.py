"""Count the prompts that are longer than the context leaves room for, or refuse them.

Both engines cut the beginning of such a prompt without more than a line in a log;
``group`` counts a plan's prompts before a model is loaded, so that it is in the results.
Texts that are scored window by window (rolling) lose nothing and are not counted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rdagent.errors import JobFailed
from rdagent.records.lengths import LONGEST
from rdagent.records.requests import Engine, EvaluateRequest, LongPrompts

if TYPE_CHECKING:
    from rdagent.inside.evaluate.planning import Planned


#: How much of prompt and answer together each engine reads, beyond the context's length, when
#: it scores an answer that is given: one token needs no place, vLLM must make one up.
_SCORED_BEYOND: dict[Engine, int] = {"hf": 1, "vllm": -1, "scripted": 1, "endpoint": 1}


@dataclass(slots=True)
class TaskPrompts:
    """How long one task's prompts were."""

    prompts: int = 0
    cut: int = 0
    longest: int = 0
    #: The smallest number of tokens that was left for a prompt.
    room: int | None = None


@dataclass(slots=True)
class PromptCount:
    """The prompts of all tasks, by task."""

    rule: LongPrompts
    tasks: dict[str, TaskPrompts] = field(default_factory=dict)

    def add(self, task: str, length: int, room: int) -> None:
        """Count a prompt of ``length`` tokens where ``room`` are left, or refuse it."""
        if self.rule == "refuse" and length > room:
            raise JobFailed(
                f"{task}: a prompt of {length} tokens, and the context leaves room for {room}",
                reason="refused",
                exit_code=2,
                hint="raise --max-model-len, lower --max-gen-toks, or use --long-prompts truncate",
            )
        seen = self.tasks.setdefault(task, TaskPrompts())
        seen.prompts += 1
        seen.cut += length > room
        seen.longest = max(seen.longest, length)
        seen.room = room if seen.room is None else min(seen.room, room)

    def notes(self) -> list[str]:
        """Return a line for each task some of whose prompts were cut."""
        return [
            f"{task}: {seen.cut} of {seen.prompts} prompts were longer than the {seen.room} tokens"
            f" that the context leaves (the longest {seen.longest}); their beginning was cut"
            for task, seen in self.tasks.items()
            if seen.cut
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the counts by task."""
        return {task: asdict(seen) for task, seen in self.tasks.items()}


def count_prompts(planned: Planned, request: EvaluateRequest, context: int) -> PromptCount:
    """Count every prompt of a plan, each as often as a document asks it."""
    from lm_eval.models.utils import normalize_gen_kwargs

    count = PromptCount(request.long_prompts)
    scored_room = context + _SCORED_BEYOND[request.engine]
    for place in planned.plan.occurrences:
        one = planned.requests[place.request]
        if place.request < 0 or one.tokens is None or one.kind == "rolling":
            continue
        room = scored_room
        if one.kind == "generate":
            told = normalize_gen_kwargs(one.arguments[1], LONGEST)
            room = context - int(told["max_gen_toks"])
            if room < 1:
                raise _no_room(place.task, context - room, context)
        count.add(place.task, one.tokens, room)
    return count


def _no_room(task: str, answer: int, context: int) -> JobFailed:
    return JobFailed(
        f"{task} asks for answers of {answer} tokens, and the context is {context} tokens long",
        reason="refused",
        exit_code=2,
        hint="lower --max-gen-toks or raise --max-model-len",
    )
