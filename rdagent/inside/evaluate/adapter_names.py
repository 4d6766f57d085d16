"""Tell whether an adapter's weights belong to modules that the base model has.

vLLM loads an adapter whose names fit nothing without a word and answers as the
base.  So ``vllm_engine`` asks here first; only the headers of the files are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rdagent.inside.evaluate.model_files import ADAPTER_WEIGHTS, read_header


def strangers(base: Path, adapter: Path) -> list[str]:
    """Return the adapter's modules that the base lacks; empty when either cannot be read."""
    known = {key for name in _names(base.glob("*.safetensors")) for key in _places(_module(name))}
    if not known:
        return []
    modules = {_adapted_module(name) for name in _names([adapter / ADAPTER_WEIGHTS])}
    return sorted(name for name in modules if name and not known & {_place(name)})


def _names(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        yield from (name for name in read_header(path) if name != "__metadata__")


def _module(weight: str) -> str:
    return weight.rpartition(".")[0]


def _adapted_module(weight: str) -> str | None:
    for mark in (".lora_A", ".lora_B", ".lora_embedding_A", ".lora_embedding_B"):
        module, found, _ = weight.partition(mark)
        if found:
            return module.removeprefix("base_model.model.")
    return None


def _place(module: str) -> str:
    """Return a module's name from its layer list on: libraries differ in what stands before."""
    parts = module.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[max(numbers[0] - 1, 0) :]) if numbers else parts[-1]


def _places(module: str) -> tuple[str, str]:
    # A tied output layer is not in the file although the model has it.
    return _place(module), "lm_head"
