"""Merge an adapter into its base: ``python -m rdagent.inside.evaluate.merge REQUEST``.

Started by ``run`` in a process of its own, before an engine is loaded that cannot serve
the adapter as it is.  Merged in float32, compared with what peft answers, saved in the
base's own type under the job's scratch folder; ``status.json`` says how it went.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import AdapterInvalid, JobFailed, RDAgentError
from rdagent.files import atomic, paths
from rdagent.inside.evaluate import cpus, failures, model_files
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.status import InsideStatus

MERGE_FILE = "merge.json"
SCHEMA = "rdagent.merge/1"
SCRATCH = "RDAGENT_SCRATCH"
#: Log-probabilities of the merged model may differ from peft's by this much, in float32.
TOLERANCE = 5e-3
_SPARE_BYTES = 256 << 20
_SMALL_FILE = 256 << 20
#: What of a model's folder belongs to its tokenizer; weights and configuration are written anew.
_BESIDE = ("*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken")
_WRITTEN_ANEW = ("config.json", "adapter_config.json", "trainer_state.json")


@dataclass(frozen=True, slots=True)
class Merged:
    """What is known of a merge."""

    model: str
    adapter: str
    dtype: str
    #: How far the adapter moved a log-probability of the base.
    largest_change: float
    #: How far merging moved it from what peft said.
    difference: float
    seconds: float
    tokenizer: str

    @classmethod
    def read(cls, folder: Path) -> Merged:
        """Read what was written beside a merged model."""
        document = json.loads((folder / MERGE_FILE).read_text("utf-8"))
        return cls(**{name: document[name] for name in cls.__slots__})


def merged_folder(request: EvaluateRequest, variant: Variant) -> Path:
    """Return where a variant's merged model stands: in the job's scratch folder."""
    scratch = os.environ.get(SCRATCH)
    place = Path(scratch) if scratch else Path(request.output)
    return paths.contained(place / "merged", variant.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Merge; the status is in the file, the exit code only agrees with it."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    request = EvaluateRequest.from_json(json.loads(Path(path).read_text("utf-8")))
    os.environ.setdefault("OMP_NUM_THREADS", str(cpus.allowed_cpus()))
    status = _guarded(request, request.variants[0])
    status.write(Path(request.output))
    return 0 if status.reason == "ok" else 1


def _guarded(request: EvaluateRequest, variant: Variant) -> InsideStatus:
    try:
        merged = merge(variant, merged_folder(request, variant))
    except RDAgentError as error:
        return failures.describe(error)
    except Exception as error:
        traceback.print_exc()
        return failures.describe(error)
    return InsideStatus("ok", f"merged in {merged.seconds:.0f} s")


def merge(variant: Variant, target: Path) -> Merged:
    """Write base and adapter as one model; raises JobFailed when they cannot be one."""
    started = time.monotonic()
    base, adapter = Path(variant.model), Path(str(variant.adapter))
    config = model_files.load_json(base / "config.json")
    if config.get("quantization_config"):
        raise AdapterInvalid(
            "the base is quantised: merging into it would round the adapter away",
            hint="evaluate with --engine hf, or on the base as it was before it was quantised",
        )
    _check_room(base, adapter, target)
    model, told = _merge_in_memory(base, adapter)
    dtype = _stored_dtype(base)
    model.to(dtype).save_pretrained(target)
    tokenizer = model_files.tokenizer_folder(base, variant.adapter)
    _copy_beside(base, tokenizer, target)
    merged = Merged(
        model=str(base),
        adapter=str(adapter),
        dtype=str(dtype).removeprefix("torch."),
        largest_change=told.largest_change,
        difference=told.difference,
        seconds=round(time.monotonic() - started, 3),
        tokenizer=str(tokenizer),
    )
    atomic.write_json(target / MERGE_FILE, {"schema": SCHEMA, **asdict(merged)})
    return merged


def _check_room(base: Path, adapter: Path, target: Path) -> None:
    files = [*base.glob("*.safetensors"), *adapter.glob("*.safetensors")]
    needed = sum(path.stat().st_size for path in files) + _SPARE_BYTES
    target.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target).free
    if free < needed:
        raise JobFailed(
            f"merging needs {needed >> 20} MB of disk for a while, and {free >> 20} MB are free",
            reason="disk_full",
            exit_code=5,
        )


@dataclass(frozen=True, slots=True)
class _Told:
    largest_change: float
    difference: float


def _merge_in_memory(base: Path, adapter: Path) -> tuple[Any, _Told]:
    from rdagent.inside.evaluate import peft_model

    tuned = peft_model.put_on(_load(base), adapter, "cpu")
    change = peft_model.largest_change(tuned)
    expected = peft_model.probe(tuned)
    if _shares_embeddings(tuned) and _adapts_embeddings(adapter):
        # Merging writes into the base's weights: into both ends of it when they are one.
        del tuned
        tuned = peft_model.put_on(_untied(_load(base)), adapter, "cpu")
    merged = tuned.merge_and_unload(safe_merge=True)
    _say_when_untied(merged)
    difference = float((peft_model.probe(merged) - expected).abs().max())
    if not difference <= TOLERANCE:
        raise JobFailed(
            f"the merged model does not answer as the adapter does: {difference:.2g} apart",
            reason="command_failed",
            exit_code=6,
            hint="evaluate with --engine hf, which needs no merging",
        )
    return merged, _Told(change, difference)


def _load(base: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32)
    return model.eval()


def _shares_embeddings(model: Any) -> bool:
    return bool(getattr(model.config, "tie_word_embeddings", False))


def _adapts_embeddings(adapter: Path) -> bool:
    """Tell whether a LoRA of the embeddings or of the output layer is among the weights."""
    config = model_files.load_json(adapter / "adapter_config.json")
    if config.get("ensure_weight_tying") or config.get("trainable_token_indices"):
        return False  # peft then changes both ends alike
    names = model_files.read_header(adapter / model_files.ADAPTER_WEIGHTS)
    return any("lora_embedding_" in name or ".lm_head.lora_" in name for name in names)


def _untied(model: Any) -> Any:
    import torch

    output = model.get_output_embeddings()
    output.weight = torch.nn.Parameter(output.weight.detach().clone())
    model.config.tie_word_embeddings = False
    return model


def _say_when_untied(model: Any) -> None:
    """Let the configuration say so when the two ends are no longer one."""
    output = model.get_output_embeddings()
    if output is None or not _shares_embeddings(model):
        return
    if output.weight.data_ptr() != model.get_input_embeddings().weight.data_ptr():
        model.config.tie_word_embeddings = False


def _stored_dtype(base: Path) -> Any:
    """Return the type that the base's weights are stored in."""
    import torch

    known = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
    for path in sorted(base.glob("*.safetensors")):
        for tensor in model_files.read_header(path).values():
            name = tensor.get("dtype") if isinstance(tensor, dict) else None
            if name in known:
                return known[name]
    return torch.float32


def _copy_beside(base: Path, tokenizer: Path, target: Path) -> None:
    """Copy the tokenizer and what else stands beside a model's weights."""
    for folder in dict.fromkeys((tokenizer, base)):
        for pattern in _BESIDE:
            for path in folder.glob(pattern):
                unwanted = path.name in _WRITTEN_ANEW or path.name.endswith(".index.json")
                if unwanted or (target / path.name).exists() or not path.is_file():
                    continue
                if folder != tokenizer and _is_tokenizers(path.name):
                    continue
                if path.stat().st_size <= _SMALL_FILE:
                    shutil.copyfile(path, target / path.name)


def _is_tokenizers(name: str) -> bool:
    stems = ("token", "vocab", "merges", "special", "added", "chat_template", "spiece")
    return any(part in name for part in stems)


if __name__ == "__main__":
    sys.exit(main())
