"""Evaluate one variant: ``python -m rdagent.inside.evaluate.variant REQUEST``.

Started by ``run`` in a process of its own; writes ``results.json``, ``samples_*.jsonl``
and ``variant.json`` into the request's output folder, and ``status.json`` there last.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdagent.errors import JobFailed, RDAgentError
from rdagent.inside.evaluate import cpus, failures, generation, model_files, output
from rdagent.inside.evaluate.merge import Merged, merged_folder
from rdagent.inside.evaluate.prompt_lengths import PromptCount, watch
from rdagent.inside.evaluate.trained_prompts import rendering_notes
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.status import InsideStatus

if TYPE_CHECKING:
    from rdagent.inside.evaluate.engine import Opened
    from rdagent.inside.evaluate.selection import Selection

#: Set before the libraries are imported; what the job set stays.
_DEFAULTS = {
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
}


@dataclass(slots=True)
class Clock:
    """How long each step took, on the monotonic clock."""

    _last: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    def lap(self, step: str) -> None:
        """Book the time since the last lap under a name."""
        now = time.monotonic()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate; the status is in the file, the exit code only agrees with it."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    request = EvaluateRequest.from_json(json.loads(Path(path).read_text("utf-8")))
    for name, value in _variables(request).items():
        os.environ.setdefault(name, value)
    status = guarded(request)
    status.write(Path(request.output))
    return 0 if status.reason == "ok" else 1


def _variables(request: EvaluateRequest) -> dict[str, str]:
    if request.num_gpus > 0:
        return _DEFAULTS
    return {
        **_DEFAULTS,
        # More threads than CPUs wait for each other: measured, up to five times slower.
        "OMP_NUM_THREADS": str(cpus.allowed_cpus()),
        # One process instead of three halves vLLM's start and keeps the cause of an error.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        # vLLM compiles a part of its log-probabilities; the image has no C++ compiler.
        "TORCHDYNAMO_DISABLE": "1",
    }


def guarded(request: EvaluateRequest) -> InsideStatus:
    """Evaluate and return how it went; no exception leaves this function."""
    try:
        return evaluate(request, request.variants[0])
    except RDAgentError as error:
        return failures.describe(error)
    except Exception as error:
        traceback.print_exc()
        return failures.describe(error)


def evaluate(request: EvaluateRequest, variant: Variant) -> InsideStatus:
    """Load the tasks, open the engine, let lm_eval run, write what came out."""
    from rdagent.inside.evaluate import engine, selection

    clock = Clock()
    asked = variant
    merged = _merged(request, asked)
    if merged is not None:
        variant = replace(asked, model=str(merged_folder(request, asked)), adapter=None)
    model = model_files.read(Path(variant.model), request.max_model_len)
    # Tasks come before the model: a name that is wrong costs seconds, not minutes.
    _seed(request.seed)
    selected = selection.load(request, {"pretrained": variant.model})
    generation.refuse_thinking(request, selected.leaves())
    clock.lap("tasks")
    opened = engine.open_engine(request, variant, model)
    clock.lap("engine")
    chat = _chat_template(request, opened)
    rendered = rendering_notes(asked.adapter, opened.lm, chat=chat)
    prompts = _watch_prompts(request, opened)
    results = _run(request, selected, opened, chat=chat)
    clock.lap("evaluate")
    folder = Path(request.output)
    notes = [*model.notes, *opened.notes, *model_files.adapter_notes(model, asked.adapter)]
    notes += [*_merge_notes(merged), *rendered]
    template = model_files.chat_template(model.folder) if chat else None
    notes += [*generation.thinking_notes(request, template), *prompts.notes()]
    origin = output.Origin(request, asked, opened, chat, prompts.to_json(), merged)
    notes += output.write(folder, results, origin)
    clock.lap("write")
    output.write_variant(folder, origin, clock, notes)
    return check_complete(results, selected, request.limit)


def _merged(request: EvaluateRequest, variant: Variant) -> Merged | None:
    return Merged.read(merged_folder(request, variant)) if variant.merge else None


def _merge_notes(merged: Merged | None) -> list[str]:
    if merged is None:
        return []
    said = f"the adapter was merged into its base, saved as {merged.dtype}, and then served"
    if merged.tokenizer == merged.adapter:
        said += ", with the adapter's own tokenizer, as it resized the vocabulary"
    nothing = ["the adapter changes nothing: its answers are the base model's"]
    return [said, *(nothing if merged.largest_change == 0.0 else [])]


def _seed(seed: int) -> None:
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def _chat_template(request: EvaluateRequest, opened: Opened) -> bool:
    has_template = bool(getattr(opened.lm.tokenizer, "chat_template", None))
    if request.chat_template and not has_template:
        raise JobFailed(
            "the base model's tokenizer has no chat template",
            reason="refused",
            exit_code=2,
            hint="evaluate without one, or add chat_template.jinja to the model",
        )
    return has_template if request.chat_template is None else request.chat_template


def _watch_prompts(request: EvaluateRequest, opened: Opened) -> PromptCount:
    from lm_eval.models.utils import normalize_gen_kwargs

    return watch(opened.lm, request.engine, request.long_prompts, normalize_gen_kwargs)


def _run(
    request: EvaluateRequest, selected: Selection, opened: Opened, *, chat: bool
) -> dict[str, Any]:
    from lm_eval import simple_evaluate

    results: dict[str, Any] = simple_evaluate(
        model=opened.lm,
        model_args=opened.model_args,
        tasks=list(selected.objects),
        task_manager=selected.manager,
        num_fewshot=request.num_fewshot,
        batch_size=opened.batch_size,
        device=opened.device,
        limit=request.limit,
        gen_kwargs=generation.gen_kwargs(request),
        system_instruction=request.system_prompt,
        apply_chat_template=chat,
        log_samples=True,
        random_seed=request.seed,
        numpy_random_seed=request.seed,
        torch_random_seed=request.seed,
        fewshot_random_seed=request.seed,
    )
    return results


def check_complete(
    results: dict[str, Any], selected: Selection, limit: float | None
) -> InsideStatus:
    """Return ok when every requested task has a score for every document asked for."""
    missing = [
        name
        for name, parts in selected.expected.items()
        if any(part not in results["results"] for part in parts)
    ]
    if missing:
        return InsideStatus("incomplete", f"no results for: {', '.join(missing)}")
    for task, rows in results.get("samples", {}).items():
        wanted = output.wanted_documents(results["n-samples"][task]["original"], limit)
        found = len({row["doc_id"] for row in rows})
        if found < wanted:
            return InsideStatus("incomplete", f"{task}: {found} of {wanted} documents scored")
    return InsideStatus("ok", f"{len(selected.expected)} tasks scored")


if __name__ == "__main__":
    sys.exit(main())
