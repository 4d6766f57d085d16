"""One model in one mode: ask, bring the answers back by id, write them as the benchmark does.

Nothing is joined by position: answers are a mapping by id, and the ids have to be exactly
those that were asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import JobFailed, ResultError, UsageError
from rdagent.evaluation.record import Evaluation, VariantResult
from rdagent.evaluation.request import ADAPTER_VARIANT, EvaluationRequest, NamedVariant
from rdagent.files import atomic, untrusted
from rdagent.records.requests import BASE_VARIANT
from rdagent.records.results import samples_name
from rdagent.suites.homebench.asking import Asked
from rdagent.suites.homebench.names import ModelName, model_name

#: Fewer answers in braces than this share, and the score says little of what a model knows.
PARSE_ALARM = 0.95


@dataclass(frozen=True, slots=True)
class Model:
    """Who is asked."""

    name: ModelName
    #: None: the model as it is.
    adapter: Path | None = None

    @property
    def tuned(self) -> bool:
        """Whether an adapter is put on."""
        return self.adapter is not None

    @property
    def variant(self) -> str:
        """The name of its results in a run."""
        return ADAPTER_VARIANT if self.tuned else BASE_VARIANT


def find_model(word: str, *, tuned: bool, adapter: Path | None = None) -> Model:
    """Return the model; raises UsageError for a tuned one without an adapter."""
    name = model_name(word)
    folder = adapter or (name.adapter if tuned else None)
    if folder is not None and not folder.is_dir():
        raise UsageError(
            f"there is no adapter at {folder}",
            hint=f"'rdagent homebench sft --model_name {word}' makes one; --adapter names another.",
        )
    return Model(name, folder)


def request_of(model: Model, **settings: Any) -> EvaluationRequest:
    """Return the request for a model; what is asked is put in by ``suite``."""
    variants = (NamedVariant(ADAPTER_VARIANT, model.adapter),) if model.adapter else ()
    return EvaluationRequest(
        tasks=("homebench",),
        base_model=model.name.model,
        variants=variants,
        with_base=not model.tuned,
        long_prompts="refuse",
        **settings,
    )


def variant_of(evaluation: Evaluation, model: Model) -> VariantResult:
    """Return the model's result; raises JobFailed when it has none."""
    found = evaluation.variant(model.variant)
    if evaluation.status.reason != "ok" or found is None:
        raise JobFailed(
            f"the run {evaluation.run_id} did not end well: {evaluation.status.reason}",
            reason=evaluation.status.reason,
            exit_code=evaluation.status.exit_code or 6,
            hint=evaluation.message or evaluation.status.hint,
        )
    return found


def answers_of(variant: VariantResult, task: str, asked: Asked) -> dict[str, str]:
    """Return id → answer; raises ResultError unless exactly the asked ids were answered once."""
    found: dict[str, str] = {}
    for row in untrusted.read_json_lines(variant.folder / samples_name(task)):
        number, text = _answer(row)
        if number in found:
            raise ResultError(f"record {number} was answered twice")
        found[number] = text
    wanted = {record.id for record in asked.records}
    lacking, strange = sorted(wanted - found.keys()), sorted(found.keys() - wanted)
    if lacking or strange:
        raise ResultError(
            f"{len(lacking)} records have no answer and {len(strange)} answers no record:"
            f" {', '.join((lacking or strange)[:5])}"
        )
    return found


def _answer(row: Any) -> tuple[str, str]:
    try:
        number, text = row["doc"]["id"], row["resps"][0][0]
    except (KeyError, IndexError, TypeError):
        raise ResultError("a line of the samples is no answer to a record") from None
    if not isinstance(number, str) or not isinstance(text, str):
        raise ResultError("a line of the samples holds no id or no text")
    return number, text


def write_answers(path: Path, asked: Asked, answers: Mapping[str, str]) -> None:
    """Write the answers as one JSON array, in the order of the asked records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(rows_of(asked, answers))
    atomic.write_text(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def rows_of(asked: Asked, answers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield what the scorer reads of each record."""
    for record in asked.records:
        yield {
            "id": record.id,
            "home_id": record.home_id,
            "type": record.type,
            "category": record.category,
            "input": record.input,
            "gold": record.output,
            "prediction": answers[record.id],
        }


def alarms(variant: VariantResult, task: str, parse_rate: float) -> Sequence[str]:
    """Return what makes a score doubtful."""
    found = []
    if parse_rate < PARSE_ALARM:
        found.append(f"only {100 * parse_rate:.1f} % of the answers hold braces that close")
    cut = (variant.rates or {}).get(task, {}).get("prompt_cut", 0)
    if cut:
        found.append(f"{cut} prompts were cut")
    found += [note for note in variant.notes if "adapter" in note.lower()]
    return found
