"""What two models were run on: the engine, the numbers it calculates with, the tokenizer.

Where a model or a tokenizer lies is no difference, nor how many GPUs it had.  Used by
``run_settings``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rdagent.comparison.arguments import arguments_of
from rdagent.comparison.report import Finding, Level
from rdagent.comparison.setting import Setting, at_top, both, difference, shown
from rdagent.files.printable import one_line

_ENGINES = {"huggingface": "hf", "hf-auto": "hf", "hf-causal": "hf", "hf-causal-experimental": "hf"}
_DTYPES = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32"}
#: Arguments that name the model, or that are held against each other under their own name.
_OF_THE_MODEL = frozenset(
    {
        "pretrained", "peft", "delta", "model", "path", "revision", "subfolder", "base_url",
        "served_model_name", "tokenizer", "tokenizer_revision", "dtype", "max_length",
        "max_model_len",
    }
)  # fmt: skip
#: Arguments that say where and how fast, not what.
_OF_THE_MACHINE = frozenset(
    {
        "batch_size", "max_batch_size", "data_parallel_size", "device", "device_map",
        "device_map_option", "disable_log_stats", "distributed_executor_backend",
        "enable_prefix_caching", "enforce_eager", "gpu_memory_utilization", "gpus",
        "logits_cache", "low_cpu_mem_usage", "max_cpu_memory", "max_memory_per_gpu",
        "max_num_batched_tokens", "max_num_seqs", "max_retries", "num_concurrent",
        "offload_folder", "parallelize", "pipeline_parallel_size", "seed", "swap_space",
        "tensor_parallel_size", "timeout", "trust_remote_code",
    }
)  # fmt: skip
_QUANTIZATION = ("load_in_", "bnb_", "quantization", "autogptq", "gptqmodel", "gguf", "awq")


def engine_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what differs in what two results documents say of their engines."""
    yield from _engine(one, other)
    yield from _dtype(one, other)
    yield from _max_length(one, other)
    yield from _tokenizer(one, other)
    yield from _other_arguments(arguments_of(one), arguments_of(other))


def _engine(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare who answered; a program that hands lm_eval a model has the model's name there."""
    for read in (_engine_asked, _engine_used):
        names = both(read, one, other)
        if None not in names and names[0] != names[1]:
            says = "another engine rounds and generates in another way"
            yield Finding("WARN", "engine", names[0], names[1], says=says)
            return


def _engine_asked(document: Mapping[str, Any]) -> str | None:
    return _engine_name(document["config"].get("model"))


def _engine_used(document: Mapping[str, Any]) -> str | None:
    return _engine_name(document.get("model_source"))


def _engine_name(told: Any) -> str | None:
    if not isinstance(told, str) or "/" in told or told in ("", "CUSTOM"):
        return None
    return _ENGINES.get(told, shown(told))


def _dtype(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare the type that was calculated in; what was asked for counts where that is unknown."""
    used, asked = both(_used_dtype, one, other), both(_asked_dtype, one, other)
    known = [use or ask for use, ask in zip(used, asked, strict=True)]
    unlike = known[0] != known[1] and not (None in used and "auto" in known and any(used))
    contradicting = "auto" not in asked and asked[0] != asked[1]
    says = "numbers are calculated in another type"
    if unlike:
        yield Finding("WARN", "dtype", known[0], known[1], says=says)
    elif contradicting:
        yield Finding("WARN", "dtype", asked[0], asked[1], says=says)


def _used_dtype(document: Mapping[str, Any]) -> str | None:
    return _dtype_name(document["config"].get("model_dtype"))


def _asked_dtype(document: Mapping[str, Any]) -> str:
    return _dtype_name(arguments_of(document).get("dtype")) or "auto"


def _dtype_name(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    name = value.removeprefix("torch.")
    return _DTYPES.get(name, shown(name))


def _max_length(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Finding]:
    used = both(at_top("max_length"), one, other)
    asked = both(_asked_length, one, other)
    for first, second in (used, asked):
        if first is not None and second is not None and first != second:
            says = "prompts and answers may be cut elsewhere"
            yield Finding("WARN", "max_length", first, second, says=says)
            return


def _asked_length(document: Mapping[str, Any]) -> str | None:
    arguments = arguments_of(document)
    value = arguments.get("max_length") or arguments.get("max_model_len")
    return None if value is None else shown(value)


def _tokenizer(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Finding]:
    """Compare what is known of the tokenizers; where a tokenizer lies is no difference."""
    known = False
    for name in ("eos", "bos", "pad"):
        marks = both(at_top(f"tokenizer_{name}_token"), one, other)
        if None in marks:
            continue
        known = True
        if marks[0] != marks[1]:
            level: Level = "INFO" if name == "pad" else "WARN"
            says = "the tokenizers mark texts in another way"
            yield Finding(level, f"tokenizer_{name}_token", *marks, says=says)
    end = Setting("eot_token_id", "WARN", at_top("eot_token_id"), "answers end at another mark")
    yield from difference(end, one, other)
    names = [arguments_of(document).get("tokenizer") for document in (one, other)]
    if all(isinstance(name, str) and not _is_path(name) for name in names) and names[0] != names[1]:
        level = "INFO" if known else "WARN"
        yield Finding(level, "tokenizer", shown(names[0]), shown(names[1]), says="by their names")


def _is_path(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or "\\" in name


def _other_arguments(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Finding]:
    for name in sorted(str(key) for key in one.keys() | other.keys()):
        if name in _OF_THE_MODEL or "lora" in name:
            continue
        values = [shown(side.get(name) or None) for side in (one, other)]
        if values[0] == values[1]:
            continue
        quantized = name.startswith(_QUANTIZATION)
        level: Level = "INFO" if name in _OF_THE_MACHINE else "WARN"
        says = "numbers are calculated with other precision" if quantized else ""
        shown_name = "quantization" if quantized else f"model_args.{one_line(name, 80)}"
        told = [f"{one_line(name, 80)}={value}" if quantized else value for value in values]
        yield Finding(level, shown_name, told[0], told[1], says=says)
