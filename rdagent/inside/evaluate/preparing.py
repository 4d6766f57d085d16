"""Find the model's files, load the tasks and plan: all that comes before anybody is asked.

No weights are loaded.  What was found is the same for all variants of a group; used by
``group``, and by ``scoring`` when they have answered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rdagent.errors import JobFailed
from rdagent.inside.evaluate import engine, generation, model_files
from rdagent.inside.evaluate.clock import Clock
from rdagent.inside.evaluate.merge import Merged, merged_folder
from rdagent.inside.evaluate.order import Item
from rdagent.inside.evaluate.prompt_lengths import PromptCount, count_prompts
from rdagent.records.requests import EvaluateRequest, Variant

if TYPE_CHECKING:
    from rdagent.inside.evaluate.planning import Planned, Prompts
    from rdagent.inside.evaluate.selection import Selection


@dataclass(frozen=True, slots=True)
class Files:
    """What a group's variants stand on."""

    model: model_files.ModelFiles
    #: Where the tokenizer is; None where a server has it.
    tokenizer: Path | None = None
    merged: Merged | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is asked, of what, and how."""

    request: EvaluateRequest
    files: Files
    selection: Selection
    planned: Planned
    prompts: PromptCount
    #: Whether prompts are rendered with a chat template.
    chat: bool

    def narrowed(self, kept: Collection[Item]) -> Prepared:
        """Return the same with fewer documents answered."""
        from rdagent.inside.evaluate import planning

        planned = planning.narrowed(self.planned, kept)
        prompts = count_prompts(planned, self.request, self.files.model.max_model_len)
        return replace(self, planned=planned, prompts=prompts)


def prepare(request: EvaluateRequest, clock: Clock) -> Prepared:
    """Do all of it; raises for what cannot be evaluated."""
    from rdagent.inside.evaluate import planning

    files = _find(request)
    selection = _load_tasks(request, files.model)
    clock.lap("tasks")
    prompts, chat = _prompts(request, files)
    planned = planning.make_plan(
        request, selection, prompts, chat=chat, chunk_size=engine.chunk_size(request)
    )
    count = count_prompts(planned, request, files.model.max_model_len)
    return Prepared(request, files, selection, planned, count, chat)


def served(request: EvaluateRequest) -> Sequence[Variant]:
    """Return the variants as the engine serves them: a merged one is a model of its own."""
    folder = str(merged_folder(request, request.variants[0]))
    return [
        replace(variant, model=folder, adapter=None) if variant.merge else variant
        for variant in request.variants
    ]


def _find(request: EvaluateRequest) -> Files:
    first = request.variants[0]
    folder, merged = Path(first.model), None
    if request.engine == "endpoint":
        length = request.max_model_len or model_files.DEFAULT_LENGTH
        return Files(model_files.ModelFiles(folder, {}, length, ()))
    if first.merge:
        folder = merged_folder(request, first)
        merged = Merged.read(folder)
    model = model_files.read(folder, request.max_model_len)
    adapter = None if first.merge else next((v.adapter for v in served(request)), None)
    return Files(model, model_files.tokenizer_folder(folder, adapter), merged)


def _load_tasks(request: EvaluateRequest, model: model_files.ModelFiles) -> Selection:
    # Tasks come before the model: a name that is wrong costs seconds, not minutes.
    from rdagent.inside.evaluate import harness, scoring_calls, selection

    harness.seed_all(request.seed)
    found = selection.load(request, {"pretrained": str(model.folder)})
    scoring_calls.refuse(found.leaves())
    generation.refuse_thinking(request, found.leaves())
    return found


def _prompts(request: EvaluateRequest, files: Files) -> tuple[Prompts, bool]:
    from rdagent.inside.evaluate import planning
    from rdagent.inside.evaluate.renderer import MessageRenderer, Renderer

    length = files.model.max_model_len
    if files.tokenizer is None:
        return planning.Prompts(MessageRenderer(length)), True
    renderer = Renderer.load(files.tokenizer, request.engine, length, request.thinking)
    chat = _chat_template(request, has_template=renderer.template is not None)
    return planning.Prompts(renderer), chat


def _chat_template(request: EvaluateRequest, *, has_template: bool) -> bool:
    if request.chat_template and not has_template:
        raise JobFailed(
            "the base model's tokenizer has no chat template",
            reason="refused",
            exit_code=2,
            hint="evaluate without one, or add chat_template.jinja to the model",
        )
    return has_template if request.chat_template is None else request.chat_template
