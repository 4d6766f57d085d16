"""Score: run lm_eval again with a model that knows the answers.

Nothing is made up: an answer that is missing, a prompt that was not planned, or a plan
that is another one than before ends it before a number is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rdagent.errors import JobFailed, ResultError
from rdagent.inside.evaluate import harness
from rdagent.inside.evaluate.planning import (
    Asked,
    Planned,
    Prompts,
    RecordingLM,
    digest_of_asked,
    renderer_identity,
)
from rdagent.inside.evaluate.renderer import Messages
from rdagent.records.answered import Answered
from rdagent.records.ledger import Answer, Ledger
from rdagent.records.plan import message_digest
from rdagent.records.requests import EvaluateRequest

if TYPE_CHECKING:
    from rdagent.inside.evaluate.selection import Selection

_NAMED = 5


class _LookUp(Prompts):
    """Prompts that were planned; no other is made."""

    def look_up(self, messages: Messages, *, add_generation_prompt: bool) -> str:
        name = message_digest(messages, add_generation_prompt=add_generation_prompt)
        if name not in self.rendered:
            raise _other_plan("a prompt that was not planned is asked for")
        return self.rendered[name]


class ReplayingLM(RecordingLM):
    """Gives the answers of a ledger, in whatever order they are asked for."""

    def __init__(
        self,
        planned: Planned,
        answers: Mapping[tuple[str, int], Answer],
        answered: Answered,
        check: _PlanCheck,
    ) -> None:
        prompts = _LookUp(planned.prompts.renderer, planned.prompts.rendered)
        super().__init__(prompts)
        self._answers_by_name, self._check = answers, check
        self._selected = planned.plan.selected
        self._info = answered
        self.max_length = prompts.renderer.max_length
        self.eot_token_id = getattr(self.tokenizer, "eos_token_id", None)
        self.batch_sizes = answered.batch_sizes

    @property
    def rank(self) -> int:
        """0; read once more when everything was answered: then the plan must be the same."""
        if self.asked:
            self._check.require_same(self.asked)
        return 0

    def get_model_info(self) -> dict[str, Any]:
        """Return what the model that answered says of itself."""
        return dict(self._info.model_info)

    def _answers(self, method: str, requests: Sequence[Any]) -> list[Any]:
        asked = self.note(method, requests)
        missing = [one for one in asked if self._is_wanted(one) and not self._knows(one)]
        if missing:
            raise _missing(missing)
        return [self._value(one) if self._is_wanted(one) else None for one in asked]

    def _is_wanted(self, one: Asked) -> bool:
        return self._selected is None or one.doc_id in self._selected.get(one.task, ())

    def _knows(self, one: Asked) -> bool:
        return (one.key, one.draw) in self._answers_by_name

    def _value(self, one: Asked) -> Any:
        answer = self._answers_by_name[one.key, one.draw]
        if answer.error is not None:
            raise ResultError(f"request {one.key[:12]} of {one.task} ended in: {answer.error}")
        return answer.said


def _missing(asked: Sequence[Asked]) -> ResultError:
    names = ", ".join(f"{one.key[:12]} ({one.task} {one.doc_id})" for one in asked[:_NAMED])
    more = f" and {len(asked) - _NAMED} more" if len(asked) > _NAMED else ""
    return ResultError(f"{len(asked)} answers are missing: {names}{more}")


def _other_plan(what: str) -> JobFailed:
    return JobFailed(
        f"the tasks ask other things than were planned: {what}",
        reason="command_failed",
        exit_code=6,
        hint="a task that draws at random from nothing seeded cannot be scored twice alike",
    )


class _PlanCheck:
    """Compares what is asked while scoring with the plan, once."""

    def __init__(
        self, request: EvaluateRequest, selection: Selection, planned: Planned, *, chat: bool
    ) -> None:
        self._request, self._selection, self._planned = request, selection, planned
        self._renderer = renderer_identity(planned.prompts.renderer, chat=chat)
        self._done = False

    def require_same(self, asked: Iterable[Asked]) -> None:
        """Raise JobFailed for another plan; drop the documents that were not to be answered."""
        if self._done:
            return
        self._done = True
        if digest_of_asked(asked, self._request, self._renderer) != self._planned.plan.digest:
            raise _other_plan("its digest is another one")
        selected = self._planned.plan.selected
        if selected is not None:
            for task in self._selection.leaves():
                chosen = set(selected.get(str(task.task_name), ()))
                task._instances = [one for one in task._instances if one.doc_id in chosen]


@contextmanager
def _only(selection: Selection, selected: Mapping[str, tuple[int, ...]] | None) -> Iterator[None]:
    """Let tasks score the selected documents only, once their requests are built."""
    tasks = list(selection.leaves()) if selected is not None else []
    for task in tasks:
        task.doc_iterator = _filtered(task, set((selected or {}).get(str(task.task_name), ())))
    try:
        yield
    finally:
        for task in tasks:
            del task.doc_iterator


def _filtered(task: Any, chosen: set[int]) -> Any:
    every = task.doc_iterator
    calls = 0

    def some(**options: Any) -> Iterator[tuple[int, Any]]:
        nonlocal calls
        calls += 1
        if calls == 1:  # the requests are built of all documents: examples are drawn in order
            return every(**options)
        return ((number, document) for number, document in every(**options) if number in chosen)

    return some


def score(
    request: EvaluateRequest,
    selection: Selection,
    planned: Planned,
    ledger: Ledger,
    answered: Answered,
    *,
    chat: bool,
) -> dict[str, Any]:
    """Return lm_eval's results for the answers of one ledger."""
    check = _PlanCheck(request, selection, planned, chat=chat)
    lm = ReplayingLM(planned, ledger.answers, answered, check)
    told = harness.Told(answered.model_args, answered.batch_size, answered.device)
    with _only(selection, planned.plan.selected):
        return harness.run(request, selection, lm, chat=chat, told=told)
