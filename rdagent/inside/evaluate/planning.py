"""Plan: run lm_eval once with a model that only writes down what it is asked.

``RecordingLM`` stops lm_eval when every request is known: it reads ``rank`` once more
before it scores.  ``replaying`` runs it again with the answers.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lm_eval.api.model import LM

from rdagent.errors import InternalError, RefusedError
from rdagent.inside.evaluate import harness, subset
from rdagent.inside.evaluate.order import Item, Part, Unit, parts_of, units_of
from rdagent.inside.evaluate.renderer import MessageRenderer, Messages, Renderer, texts_of
from rdagent.records.keys import KIND_OF_METHOD, Kind, is_sampled, request_key
from rdagent.records.plan import Occurrence, Plan, Request, message_digest, plan_digest
from rdagent.records.requests import EvaluateRequest
from rdagent.records.subset import Subset

if TYPE_CHECKING:
    from rdagent.inside.evaluate.selection import Selection

#: A chunk becomes so many times as long at most, for what shares a prompt to stay together.
_STRETCH = 4
#: So many documents at least are answered between two looks, as a share of a chunk.
_LOOKS_A_CHUNK = 4
#: The one part of a plan that is not answered in parts.
_WHOLE: Part = (0, 0)


class PlanDone(Exception):
    """Everything that will be asked is known."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a model's method, as lm_eval made it."""

    kind: Kind
    key: str
    draw: int
    arguments: tuple[Any, ...]
    task: str
    doc_id: int
    idx: int

    @property
    def row(self) -> tuple[Kind, str, int, str, int, int]:
        """What of it is part of the plan's identity."""
        return self.kind, self.key, self.draw, self.task, self.doc_id, self.idx


@dataclass(slots=True)
class Prompts:
    """Renders messages, each of them once; scoring only looks up what planning rendered."""

    renderer: Renderer | MessageRenderer
    rendered: dict[str, str] = field(default_factory=dict)
    #: One prompt and the messages it is made of, to hold a loaded engine against.
    example: tuple[Messages, bool, str] | None = None

    def look_up(self, messages: Messages, *, add_generation_prompt: bool) -> str:
        """Return the prompt of messages."""
        name = message_digest(messages, add_generation_prompt=add_generation_prompt)
        if name not in self.rendered:
            self.rendered[name] = self.renderer.render(
                messages, add_generation_prompt=add_generation_prompt
            )
        if self.example is None:
            self.example = (copy.deepcopy(messages), add_generation_prompt, self.rendered[name])
        return self.rendered[name]


class RecordingLM(LM):
    """Answers nothing; remembers what it was asked."""

    def __init__(self, prompts: Prompts) -> None:
        super().__init__()
        self.prompts = prompts
        self.tokenizer = prompts.renderer.tokenizer
        self.asked: list[Asked] = []

    @property
    def rank(self) -> int:
        """0; read once more when everything was asked, which ends the plan."""
        if self.asked:
            raise PlanDone
        return 0

    @property
    def tokenizer_name(self) -> str:
        """A name that lm_eval wants for a cache that is not used."""
        return "tokenizer"

    def apply_chat_template(
        self, chat_history: Messages, add_generation_prompt: bool = True
    ) -> str:
        """Return the prompt that messages become."""
        return self.prompts.look_up(chat_history, add_generation_prompt=add_generation_prompt)

    def loglikelihood(self, requests: Sequence[Any]) -> list[Any]:
        """Note requests for the likelihood of an answer."""
        return self._answers("loglikelihood", requests)

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[Any]:
        """Note requests for the likelihood of a text."""
        return self._answers("loglikelihood_rolling", requests)

    def generate_until(self, requests: Sequence[Any]) -> list[Any]:
        """Note requests for a text."""
        return self._answers("generate_until", requests)

    def _answers(self, method: str, requests: Sequence[Any]) -> list[Any]:
        self.note(method, requests)
        return [None] * len(requests)

    def note(self, method: str, requests: Sequence[Any]) -> list[Asked]:
        """Remember one call's requests, in its order, and return them."""
        kind = KIND_OF_METHOD[method]
        seen: Counter[str] = Counter()
        noted = []
        for instance in requests:
            arguments = _plain_arguments(instance)
            key = request_key(kind, arguments)
            draw = 0
            if is_sampled(kind, arguments):
                draw, seen[key] = seen[key], seen[key] + 1
            place = (str(instance.task_name), int(instance.doc_id), int(instance.idx))
            noted.append(Asked(kind, key, draw, arguments, *place))
        self.asked += noted
        return noted


def _plain_arguments(instance: Any) -> tuple[Any, ...]:
    arguments = tuple(copy.deepcopy(instance.args))
    if len(arguments) > 2:
        raise RefusedError(
            f"Task '{instance.task_name}' asks for more than text",
            hint="tasks with images or sound are not evaluated here",
        )
    return arguments


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and its requests, in the order in which they are answered."""

    plan: Plan
    requests: tuple[Request, ...]
    prompts: Prompts
    #: What is decided on as one, where the run stops when it is decided.
    units: tuple[Unit, ...] = ()


def make_plan(
    request: EvaluateRequest,
    selection: Selection,
    prompts: Prompts,
    *,
    chat: bool,
    chunk_size: int,
) -> Planned:
    """Run lm_eval until it has asked everything; what is asked twice is planned once."""
    lm = RecordingLM(prompts)
    try:
        harness.run(request, selection, lm, chat=chat)
    except PlanDone:
        pass
    else:
        raise InternalError("lm_eval ended without asking anything of the model")
    if request.engine == "endpoint":
        _require_texts(lm.asked)
    chosen = choose_documents(request, selection, lm.asked)
    wanted = [chosen is None or one.doc_id in chosen.get(one.task, ()) for one in lm.asked]
    units: tuple[Unit, ...] = ()
    if request.stop is not None:
        documents = [
            (one.task, one.doc_id)
            for one, is_wanted in zip(lm.asked, wanted, strict=True)
            if is_wanted
        ]
        units = units_of(selection, documents, request.seed, chunk_size // _LOOKS_A_CHUNK)
    requests = _requests(lm.asked, wanted, prompts.renderer, chunk_size, parts_of(units))
    places = {one.name: number for number, one in enumerate(requests)}
    occurrences = tuple(
        Occurrence(places[one.key, one.draw] if is_wanted else -1, one.task, one.doc_id, one.idx)
        for one, is_wanted in zip(lm.asked, wanted, strict=True)
    )
    renderer = renderer_identity(prompts.renderer, chat=chat)
    plan = Plan(
        digest=digest_of_asked(lm.asked, request, renderer),
        occurrences=occurrences,
        arguments=arguments_of(request),
        renderer=renderer,
        renders=prompts.rendered,
        selected=chosen,
    )
    return Planned(plan, tuple(requests), prompts, units)


def narrowed(planned: Planned, kept: Collection[Item]) -> Planned:
    """Return the same plan with fewer documents answered; its digest stays that of the whole."""
    places = planned.plan.occurrences
    wanted = [one.request >= 0 and (one.task, one.doc_id) in kept for one in places]
    if wanted == [one.request >= 0 for one in places]:
        return planned
    used = sorted({one.request for one, is_ in zip(places, wanted, strict=True) if is_})
    number = {old: new for new, old in enumerate(used)}
    occurrences = tuple(
        replace(one, request=number[one.request] if is_wanted else -1)
        for one, is_wanted in zip(places, wanted, strict=True)
    )
    selected: dict[str, set[int]] = {one.task: set() for one in places}
    for task, doc_id in kept:
        selected[task].add(doc_id)
    chosen = {task: tuple(sorted(ids)) for task, ids in selected.items()}
    plan = replace(planned.plan, occurrences=occurrences, selected=chosen)
    return replace(planned, plan=plan, requests=tuple(planned.requests[one] for one in used))


def _require_texts(asked: Iterable[Asked]) -> None:
    """Raise RefusedError for likelihoods: a server that chats does not give them."""
    for one in asked:
        if one.kind != "generate":
            raise RefusedError(
                f"Task '{one.task}' scores given answers by their likelihood, which a server that"
                " chats does not tell",
                hint="ask for tasks whose answers are generated, or use engine hf or vllm",
            )


def renderer_identity(renderer: Renderer | MessageRenderer, *, chat: bool) -> Mapping[str, Any]:
    """Return what decides the plan besides the request and the tasks."""
    return {"lm_eval": metadata.version("lm_eval"), **renderer.identity(chat=chat)}


def digest_of_asked(
    asked: Iterable[Asked], request: EvaluateRequest, renderer: Mapping[str, Any]
) -> str:
    """Return the identity of a plan."""
    return plan_digest((one.row for one in asked), arguments_of(request), renderer)


def arguments_of(request: EvaluateRequest) -> dict[str, Any]:
    """Return what lm_eval is told, as far as it decides what is asked and how it is scored."""
    return {
        "tasks": list(request.tasks),
        "num_fewshot": request.num_fewshot,
        "fewshot": dict(request.fewshot),
        "subset": Path(request.subset).name if request.subset else None,
        "limit": request.limit,
        "sample": request.sample,
        "seed": request.seed,
        "gen_kwargs": request.gen_kwargs,
        "max_gen_toks": request.max_gen_toks,
        "system_prompt": request.system_prompt,
        "chat_template": request.chat_template,
    }


def _requests(
    asked: Sequence[Asked],
    wanted: Sequence[bool],
    renderer: Renderer | MessageRenderer,
    chunk_size: int,
    parts: Mapping[Item, Part] = MappingProxyType({}),
) -> list[Request]:
    """Return each request once: kind by kind, drawn ones apart, cut into chunks.

    Where there are parts they come one after the other, and no chunk holds two of them.
    """
    unique: dict[tuple[str, int], Asked] = {}
    part: dict[tuple[str, int], Part] = {}
    for one, is_wanted in zip(asked, wanted, strict=True):
        if is_wanted:
            unique.setdefault((one.key, one.draw), one)
            own = parts.get((one.task, one.doc_id), _WHOLE)
            part[one.key, one.draw] = min(own, part.get((one.key, one.draw), own))
    lengths = renderer.lengths([texts_of(one.arguments) for one in unique.values()])
    groups: dict[tuple[Part, Kind, bool], list[tuple[Asked, int | None]]] = {}
    for (name, one), length in zip(unique.items(), lengths, strict=True):
        group = (part[name], one.kind, is_sampled(one.kind, one.arguments))
        groups.setdefault(group, []).append((one, length))
    found: list[Request] = []
    for _, rows in sorted(groups.items(), key=lambda group: group[0][0]):
        chunk = found[-1].chunk + 1 if found else 0
        size, context = 0, None
        for one, length in rows:
            # The choices of one question stay together: an engine answers them at once.
            asked_of_other = one.arguments[0] != context or size >= _STRETCH * chunk_size
            if size >= chunk_size and asked_of_other:
                chunk, size = chunk + 1, 0
            size, context = size + 1, one.arguments[0]
            found.append(Request(one.kind, one.key, one.draw, one.arguments, chunk, length))
    return found


def choose_documents(
    request: EvaluateRequest, selection: Selection, asked: Iterable[Asked]
) -> dict[str, tuple[int, ...]] | None:
    """Return the documents of each task that are answered; None for all that were planned."""
    if request.subset is not None:
        return subset.doc_ids(selection.leaves(), Subset.read(Path(request.subset)))
    if request.sample != "random" or request.limit is None:
        return None
    documents: dict[str, dict[int, None]] = {}
    for one in asked:
        documents.setdefault(one.task, {})[one.doc_id] = None
    return {
        task: tuple(sorted(_drawn(list(ids), task, request))) for task, ids in documents.items()
    }


def _drawn(ids: list[int], task: str, request: EvaluateRequest) -> list[int]:
    from rdagent.inside.evaluate.output import wanted_documents

    order = random.Random(f"{request.seed}:{task}")
    return order.sample(ids, wanted_documents(len(ids), request.limit))
