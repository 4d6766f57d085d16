"""Write a variant's results and samples in lm_eval's schema, under stable names.

lm_eval's own writer puts a date into the names, swallows its errors and writes NaN,
which is not JSON.  Used by ``variant``; read on the host by ``evaluation.results``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdagent.files import atomic
from rdagent.records.requests import EvaluateRequest, Variant

if TYPE_CHECKING:
    from rdagent.inside.evaluate.engine import Opened
    from rdagent.inside.evaluate.merge import Merged
    from rdagent.inside.evaluate.variant import Clock

RESULTS_FILE = "results.json"
VARIANT_FILE = "variant.json"
VARIANT_SCHEMA = "rdagent.variant/1"
PACKAGES = ("lm_eval", "torch", "transformers", "peft", "vllm", "datasets", "tokenizers")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where results come from."""

    request: EvaluateRequest
    variant: Variant
    opened: Opened
    chat: bool
    #: How long the prompts were, by task.
    prompts: dict[str, Any]
    #: How the adapter was merged into its base, if it was.
    merged: Merged | None = None


def write(folder: Path, results: dict[str, Any], origin: Origin) -> list[str]:
    """Write results and samples; returns notes on numbers that JSON cannot hold."""
    samples = results.pop("samples", {})
    for task, rows in samples.items():
        _write_lines(folder / samples_name(task), (sample_record(row) for row in rows))
    results["task_hashes"] = {task: _hash_of(rows) for task, rows in samples.items()}
    results["config"]["model"] = origin.request.engine
    results.update(_origin_fields(origin))
    document = finite(plain(results))
    atomic.write_json(folder / RESULTS_FILE, document)
    # The caller still asks which documents were scored.
    results["samples"] = samples
    return not_finite_notes(results.get("results", {}))


def samples_name(task: str) -> str:
    """Return the name of a task's samples file."""
    return f"samples_{re.sub(r'[^A-Za-z0-9_.:+-]', '_', task)}.jsonl"


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


def plain(value: Any) -> Any:
    """Return a value as JSON types; numpy's scalars become numbers, other objects their text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return plain(item())
    return _without_addresses(str(value))


def _without_addresses(text: str) -> str:
    # A function's text holds its address, which differs in every process.
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def finite(value: Any) -> Any:
    """Return JSON types with NaN and infinities replaced by null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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

    template = getattr(origin.opened.lm.tokenizer, "chat_template", None) if origin.chat else None
    template = template if isinstance(template, str) else None
    system = origin.request.system_prompt
    model = origin.opened.model_args.get("peft") or origin.opened.model_args["pretrained"]
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


def write_variant(folder: Path, origin: Origin, clock: Clock, notes: list[str]) -> None:
    """Write ``variant.json``: how the answers were made."""
    opened = origin.opened
    document = {
        "schema": VARIANT_SCHEMA,
        "name": origin.variant.name,
        "engine": origin.request.engine,
        "device": opened.device,
        "versions": _versions(),
        "seconds": clock.seconds,
        "chat_template": origin.chat,
        "dtype": opened.dtype,
        "max_model_len": opened.max_model_len,
        "max_lora_rank": opened.max_lora_rank,
        "batch_size": opened.batch_size,
        "seed": origin.request.seed,
        "prompts": origin.prompts,
        "merged": asdict(origin.merged) if origin.merged else None,
        "adapter_check": asdict(opened.adapter) if opened.adapter else None,
        "notes": notes,
    }
    atomic.write_json(folder / VARIANT_FILE, finite(document))


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found
