"""Write a variant's results and samples in lm_eval's schema, under stable names.

lm_eval's own writer puts a date into the names, swallows its errors and writes NaN,
which is not JSON.  Used by ``group``; read on the host by ``evaluation.results``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdagent.files import atomic
from rdagent.inside.evaluate.harness import documents_asked
from rdagent.inside.evaluate.jsonable import finite, plain
from rdagent.records.plan import Plan
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.results import samples_name
from rdagent.records.status import InsideStatus
from rdagent.records.stopping import STOPPING_KEY, Stopping

if TYPE_CHECKING:
    from rdagent.inside.evaluate.answering import Kept
    from rdagent.inside.evaluate.merge import Merged
    from rdagent.records.answered import Answered

RESULTS_FILE = "results.json"
VARIANT_FILE = "variant.json"
VARIANT_SCHEMA = "rdagent.variant/2"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where results come from."""

    request: EvaluateRequest
    variant: Variant
    answered: Answered
    #: The text of the template that prompts were rendered with; None when there was none.
    chat_template: str | None
    #: How long the prompts were, by task.
    prompts: dict[str, Any]
    plan: Plan
    kept: Kept
    #: How often answers failed in a way that can be counted, by task.
    rates: Mapping[str, Any]
    #: What of the documents was in the training rows; None where no record says.
    overlap: Mapping[str, Any] | None = None
    #: Tasks whose examples are drawn from the documents that are scored.
    examples_from_scored: tuple[str, ...] = ()
    #: Whether answers were drawn at random, each with a seed of its own.
    drawn: bool = False
    #: How the adapter was merged into its base, if it was.
    merged: Merged | None = None
    #: What came of it, where the run was to stop when it is decided.
    stopping: Stopping | None = None


def write(folder: Path, results: dict[str, Any], origin: Origin) -> list[str]:
    """Write results and samples; returns notes on numbers that JSON cannot hold."""
    samples = results.pop("samples", {})
    for task, rows in samples.items():
        _write_lines(folder / samples_name(task), (sample_record(row) for row in rows))
    results["task_hashes"] = {task: _hash_of(rows) for task, rows in samples.items()}
    results["config"]["model"] = origin.request.engine
    results["config"] |= _stopping(origin)
    results.update(_origin_fields(origin))
    document = finite(plain(results))
    atomic.write_json(folder / RESULTS_FILE, document)
    # The caller still asks which documents were scored.
    results["samples"] = samples
    return not_finite_notes(results.get("results", {}))


def wanted_documents(original: int, limit: float | None) -> int:
    """Return how many of ``original`` documents a limit leaves, counted as lm_eval does."""
    if limit is None:
        return original
    return min(original, math.ceil(original * limit) if limit < 1 else int(limit))


def sample_record(row: dict[str, Any]) -> dict[str, Any]:
    """Return one sample as lm_eval writes it: prompts by name, answers and target as text."""
    arguments = {
        f"gen_args_{number}": {f"arg_{place}": value for place, value in enumerate(values)}
        for number, values in enumerate(row["arguments"])
    }
    return {
        **row,
        "arguments": arguments,
        "resps": _as_text(row["resps"]),
        "filtered_resps": _as_text(row["filtered_resps"]),
        "target": str(row["target"]),
    }


def _as_text(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_as_text(item) for item in value]
    return str(value)


def _write_lines(path: Path, records: Iterator[dict[str, Any]]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", errors="backslashreplace") as sink:
        for record in records:
            sink.write(json.dumps(finite(plain(record)), ensure_ascii=False, allow_nan=False))
            sink.write("\n")
    partial.replace(path)


def not_finite_notes(results: dict[str, Any]) -> list[str]:
    """Return a note for each score that is no number."""
    return [
        f"{task}: {key} is {value}, written as null"
        for task, row in results.items()
        for key, value in row.items()
        if isinstance(value, float) and not math.isfinite(value) and "_stderr" not in key
    ]


def _hash_of(rows: list[dict[str, Any]]) -> str:
    from lm_eval.utils import hash_string

    hashes = (row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in rows)
    return str(hash_string("".join(hashes)))


def _origin_fields(origin: Origin) -> dict[str, Any]:
    """Return what lm_eval's tracker adds to the results."""
    from lm_eval.utils import hash_string

    template, system = origin.chat_template, origin.request.system_prompt
    arguments = origin.answered.model_args
    model = str(arguments.get("peft") or arguments.get("lora_local_path") or origin.variant.model)
    if origin.merged:
        model = origin.merged.adapter  # the merged model is gone by the time this is read
    return {
        "model_source": origin.request.engine,
        "model_name": model,
        "model_name_sanitized": re.sub(r"[\"<>:/\|\\?\*\[\]]+", "__", model),
        "system_instruction": system,
        "system_instruction_sha": hash_string(system) if system else None,
        "fewshot_as_multiturn": True,
        "chat_template": template,
        "chat_template_sha": hash_string(template) if template else None,
    }


def write_variant(
    folder: Path, origin: Origin, seconds: Mapping[str, float], notes: list[str]
) -> None:
    """Write ``variant.json``: how the answers were made."""
    answered, kept = origin.answered, origin.kept
    document = {
        "schema": VARIANT_SCHEMA,
        "name": origin.variant.name,
        "engine": origin.request.engine,
        "device": answered.device,
        "versions": dict(answered.versions),
        "seconds": dict(seconds),
        "chat_template": origin.chat_template is not None,
        "dtype": answered.dtype,
        "max_model_len": answered.max_model_len,
        "max_lora_rank": answered.max_lora_rank,
        "batch_size": answered.batch_size,
        "seed": origin.request.seed,
        "prompts": origin.prompts,
        "plan": origin.plan.digest,
        **documents_asked(origin.request),
        **_stopping(origin),
        "examples_from_scored": list(origin.examples_from_scored),
        "level": level(origin),
        "answers": {
            "asked": len(kept.ledger.answers),
            "reused": kept.reused,
            "resumed": kept.resumed,
            "duplicates": kept.ledger.duplicates,
            # Of a chunk that a kill had cut off; they were asked again.
            "dropped": kept.dropped,
            "torn": kept.torn,
        },
        "rates": dict(origin.rates),
        "overlap": origin.overlap,
        "merged": asdict(origin.merged) if origin.merged else None,
        "adapter_check": _adapter_check(answered.largest_change),
        "notes": notes,
    }
    atomic.write_json(folder / VARIANT_FILE, finite(plain(document)))


def _stopping(origin: Origin) -> dict[str, Any]:
    """Return how far a run came that may stop; a reader must not take it for a whole one."""
    return {STOPPING_KEY: origin.stopping.to_json()} if origin.stopping else {}


def _adapter_check(change: float | None) -> dict[str, float] | None:
    return None if change is None else {"largest_change": change}


def level(origin: Origin) -> str | None:
    """Return how far the same request gives the same result again; None: nobody can promise it."""
    if origin.request.engine == "endpoint":
        return None
    if origin.drawn:
        return "seeded"
    batches = {answer.batch for answer in origin.kept.ledger.answers.values()}
    exact = origin.request.engine != "vllm" and batches <= {"1"}
    return "exact" if exact else "engine-deterministic"


def check_complete(
    results: dict[str, Any], expected: Mapping[str, tuple[str, ...]], plan: Plan
) -> InsideStatus:
    """Return ok when every requested task has a score for every document that was planned."""
    missing = [
        name
        for name, parts in expected.items()
        if any(part not in results["results"] for part in parts)
    ]
    if missing:
        return InsideStatus("incomplete", f"no results for: {', '.join(missing)}")
    planned: dict[str, set[int]] = {}
    for one in plan.occurrences:
        if one.request >= 0:
            planned.setdefault(one.task, set()).add(one.doc_id)
    samples = results.get("samples", {})
    for task, wanted in planned.items():
        found = wanted & {row["doc_id"] for row in samples.get(task, ())}
        if len(found) < len(wanted):
            told = f"{task}: {len(found)} of {len(wanted)} documents scored"
            return InsideStatus("incomplete", told)
    return InsideStatus("ok", f"{len(expected)} tasks scored")
