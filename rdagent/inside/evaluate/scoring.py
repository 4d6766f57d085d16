"""Score one variant from its answers, and write its results with everything to be known of them.

Used by ``group``; ``replaying`` runs lm_eval, ``output`` writes.  What the variants share
is in ``preparing``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.inside.evaluate import effect, generation, model_files
from rdagent.inside.evaluate.answering import Kept
from rdagent.inside.evaluate.clock import Clock
from rdagent.inside.evaluate.marking import Marker
from rdagent.inside.evaluate.merge import Merged
from rdagent.inside.evaluate.preparing import Prepared
from rdagent.records.answered import Answered
from rdagent.records.keys import is_sampled
from rdagent.records.ledger import Ledger
from rdagent.records.requests import Variant
from rdagent.records.status import InsideStatus
from rdagent.records.stopping import Stopping


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a run that may stop, and by which marks."""

    stopping: Stopping
    marker: Marker


@dataclass(frozen=True, slots=True)
class Answers:
    """What one variant answered, beside what its base did."""

    variant: Variant
    folder: Path
    answered: Answered
    kept: Kept
    #: None for the base itself, and where there is none.
    base: Ledger | None
    seconds: Mapping[str, float]


def score(
    shared: Prepared, own: Answers, seconds: Mapping[str, float], decided: Decided | None
) -> InsideStatus:
    """Write a variant's results; returns ok when every planned document has a score.

    ``seconds`` are those of the steps that were taken for all variants.
    """
    from rdagent.inside.evaluate import fewshot, output, rates, replaying

    clock = Clock()
    request, planned, kept = shared.request, shared.planned, own.kept
    results = replaying.score(
        request, shared.selection, planned, kept.ledger, own.answered, chat=shared.chat
    )
    if decided is not None:
        decided.marker.require_same(own.variant.name, results.get("samples", {}))
    found = rates.failure_rates(planned, kept.ledger, results)
    overlap, told = _overlap(shared, own.variant)
    template = planned.prompts.renderer.template
    origin = output.Origin(
        request=request,
        variant=own.variant,
        answered=own.answered,
        chat_template=template if shared.chat else None,
        prompts=shared.prompts.to_json(),
        plan=planned.plan,
        kept=kept,
        rates=found,
        overlap=overlap,
        examples_from_scored=fewshot.from_scored_documents(shared.selection.leaves()),
        drawn=any(is_sampled(one.kind, one.arguments) for one in planned.requests),
        merged=shared.files.merged,
        stopping=decided.stopping if decided else None,
    )
    notes = [*told, *_notes(shared, own), *output.write(own.folder, results, origin)]
    clock.lap("score")
    taken = {**seconds, **own.seconds, **clock.seconds}
    output.write_variant(own.folder, origin, taken, notes)
    return output.check_complete(results, shared.selection.expected, planned.plan)


def _notes(shared: Prepared, own: Answers) -> list[str]:
    from rdagent.inside.evaluate import trained_prompts

    renderer, adapter = shared.planned.prompts.renderer, own.variant.adapter
    likeness: tuple[str, ...] = ()
    if own.base is not None and adapter is not None:
        likeness = effect.likeness_notes(shared.planned.requests, own.base, own.kept.ledger)
    notes = [*likeness, *shared.files.model.notes, *own.answered.notes]
    notes += model_files.adapter_notes(shared.files.model, adapter)
    notes += _merge_notes(shared.files.merged)
    notes += trained_prompts.rendering_notes(adapter, renderer, chat=shared.chat)
    notes += generation.thinking_notes(shared.request, renderer.template)
    notes += shared.prompts.notes()
    if renderer.lost_system:
        notes.append("the chat template refuses a system message; it was left out")
    return notes


def _overlap(shared: Prepared, variant: Variant) -> tuple[dict[str, Any] | None, list[str]]:
    """Return what of the documents was in the rows that the adapter was trained on."""
    from rdagent.inside.evaluate import document_texts, overlap

    planned = document_texts.planned_documents(shared.planned.plan.occurrences)
    texts = document_texts.DocumentTexts(shared.selection.leaves(), planned)
    found = overlap.measure(variant.adapter, texts)  # reads no document without a record
    notes = [*(found.notes() if found else ()), *texts.notes]
    return (found.to_json() if found else None), notes


def _merge_notes(merged: Merged | None) -> list[str]:
    if merged is None:
        return []
    said = f"the adapter was merged into its base, saved as {merged.dtype}, and then served"
    if merged.tokenizer == merged.adapter:
        said += ", with the adapter's own tokenizer, as it resized the vocabulary"
    nothing = ["the adapter changes nothing: its answers are the base model's"]
    return [said, *(nothing if merged.largest_change == 0.0 else [])]
