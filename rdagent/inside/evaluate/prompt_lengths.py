"""Count the prompts that are longer than the context leaves room for, or refuse them.

Both engines cut the beginning of such a prompt without more than a line in a log;
``variant`` watches the engine with this, so that what was cut is in the results.
Texts that are scored window by window (rolling) lose nothing and are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from rdagent.errors import JobFailed
from rdagent.records.requests import Engine, LongPrompts

#: How much of prompt and answer together each engine reads, beyond the context's length, when
#: it scores an answer that is given: one token needs no place, vLLM must make one up.
_SCORED_BEYOND: dict[Engine, int] = {"hf": 1, "vllm": -1}


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


Normalise = Callable[[dict[str, Any], int], dict[str, Any]]


def watch(lm: Any, engine: Engine, rule: LongPrompts, normalise: Normalise) -> PromptCount:
    """Count what ``lm`` is asked from now on; ``normalise`` is lm_eval's reading of arguments."""
    count = PromptCount(rule)
    generate, score = lm.generate_until, lm.loglikelihood
    scored_room = lm.max_length + _SCORED_BEYOND[engine]

    def generate_until(requests: Iterable[Any], *arguments: Any, **options: Any) -> Any:
        for request in requests:
            text, told = request.args
            room = lm.max_length - int(normalise(told, lm.max_gen_toks)["max_gen_toks"])
            if room < 1:
                raise _no_room(request.task_name, lm.max_length - room, lm.max_length)
            count.add(request.task_name, len(lm.tok_encode(text)), room)
        return generate(requests, *arguments, **options)

    def loglikelihood(requests: Iterable[Any], *arguments: Any, **options: Any) -> Any:
        for request in requests:
            text = "".join(request.args)
            count.add(request.task_name, len(lm.tok_encode(text)), scored_room)
        return score(requests, *arguments, **options)

    lm.generate_until, lm.loglikelihood = generate_until, loglikelihood
    return count


def _no_room(task: str, answer: int, context: int) -> JobFailed:
    return JobFailed(
        f"{task} asks for answers of {answer} tokens, and the context is {context} tokens long",
        reason="refused",
        exit_code=2,
        hint="lower --max-gen-toks or raise --max-model-len",
    )
