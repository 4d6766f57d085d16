"""Whether the matrices have the shapes that the configuration and the base ask for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rdagent.adapters.base import BaseFiles
from rdagent.adapters.configuration import LoraConfiguration
from rdagent.adapters.header import Tensor
from rdagent.adapters.layers import place_of
from rdagent.adapters.names import Contents, Module
from rdagent.adapters.problems import Problem, problem, some


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many numbers a module of the base takes in and gives out; None: not known."""

    inputs: int | None
    outputs: int | None


def check_shapes(
    contents: Contents,
    tensors: tuple[Tensor, ...],
    configuration: LoraConfiguration,
    base: BaseFiles | None,
) -> Iterator[Problem]:
    """Check emptiness, ranks, and the fit to the base."""
    empty = [tensor.name for tensor in tensors if 0 in tensor.shape]
    if empty:
        yield problem("tensor_empty", f"{len(empty)} tensors: {some(empty)}")
        return
    odd = [text for module in contents.modules if (text := _odd_shape(module))]
    if odd:
        yield problem("shape_invalid", some(odd))
        return
    wrong = [text for module in contents.modules if (text := _wrong_rank(module, configuration))]
    if wrong:
        yield problem("rank_mismatch", some(wrong))
    if base is not None:
        yield from _fit(contents, configuration, base)


def _odd_shape(module: Module) -> str | None:
    a, b = module.a.shape, module.b.shape
    if len(a) != 2 or len(b) != 2:
        return f"{module.name}: A {list(a)}, B {list(b)}"
    if a[0] != b[1]:
        return f"{module.name}: A {list(a)} and B {list(b)} have different ranks"
    return None


def _wrong_rank(module: Module, configuration: LoraConfiguration) -> str | None:
    rank = module.a.shape[0]
    if module.is_expert:
        # One pair of matrices holds all experts of a layer, or of two fused projections.
        return None
    wanted = configuration.rank_of(module.name)
    return None if rank == wanted else f"{module.name}: {rank} instead of {wanted}"


def _fit(
    contents: Contents, configuration: LoraConfiguration, base: BaseFiles
) -> Iterator[Problem]:
    known = _sizes_from_headers(configuration, base)
    wrong: list[str] = []
    for module in contents.modules:
        if module.is_expert:
            continue
        sizes = known.get(place_of(module.name)) or _sizes_from_config(module.name, base)
        if sizes is not None:
            wrong += _misfits(module, sizes, configuration)
    wrong += _saved_misfits(contents, base)
    if wrong:
        yield problem("shape_mismatch", some(wrong))


def _misfits(module: Module, sizes: Sizes, configuration: LoraConfiguration) -> Iterator[str]:
    # A QALoRA pools its inputs in groups.
    inputs = None if configuration.has("use_qalora") else module.a.shape[1]
    found = Sizes(inputs, module.b.shape[0])
    for what, has, wants in (
        ("takes", found.inputs, sizes.inputs),
        ("gives", found.outputs, sizes.outputs),
    ):
        if has is not None and wants is not None and has != wants:
            yield f"{module.name} {what} {has} numbers, the base's {wants}"


def _sizes_from_headers(configuration: LoraConfiguration, base: BaseFiles) -> Mapping[str, Sizes]:
    """Return what the base's own weights say; packed ones say nothing."""
    if base.is_quantised:
        return {}
    found = {}
    for name, shape in base.shapes.items():
        module, _, ending = name.rpartition(".")
        if ending != "weight" or len(shape) != 2:
            continue
        rows, columns = shape
        # An embedding maps a token's number to a row; GPT-2's Conv1D stores inputs first.
        turned = configuration.has("fan_in_fan_out") and not _is_table(module)
        place = place_of(module)
        inputs_first = turned or _is_table(module)
        found[place] = Sizes(rows, columns) if inputs_first else Sizes(columns, rows)
    return found


def _is_table(module: str) -> bool:
    return module.rsplit(".", 1)[-1] in (
        "embed_tokens",
        "wte",
        "wpe",
        "embed_in",
        "word_embeddings",
    )


def _sizes_from_config(module: str, base: BaseFiles) -> Sizes | None:
    """Return the sizes that the usual names have, worked out from ``config.json``."""
    hidden = base.number("hidden_size", "n_embd", "d_model")
    heads = base.number("num_attention_heads", "n_head")
    if hidden is None or heads is None:
        return None
    head = base.number("head_dim") or hidden // heads
    inner = base.number("intermediate_size", "n_inner")
    kv_heads = base.number("num_key_value_heads") or heads
    known = {
        "q_proj": Sizes(hidden, heads * head),
        "k_proj": Sizes(hidden, kv_heads * head),
        "v_proj": Sizes(hidden, kv_heads * head),
        "o_proj": Sizes(heads * head, hidden),
        "gate_proj": Sizes(hidden, inner),
        "up_proj": Sizes(hidden, inner),
        "down_proj": Sizes(inner, hidden),
        "embed_tokens": Sizes(base.vocabulary, hidden),
        "lm_head": Sizes(hidden, base.vocabulary),
    }
    if ".experts." in module or ".shared_expert" in module or base.number("kv_lora_rank"):
        return None
    return known.get(module.rsplit(".", 1)[-1])


def _saved_misfits(contents: Contents, base: BaseFiles) -> Iterator[str]:
    """Saved modules may have more rows than the base (a resized vocabulary), not more columns."""
    shapes = {place_of(name): shape for name, shape in base.shapes.items()}
    for name, tensor in contents.saved.items():
        wanted = shapes.get(place_of(name))
        if wanted is None or len(wanted) != 2 or base.is_quantised:
            continue
        if len(tensor.shape) != 2 or tensor.shape[1] != wanted[1]:
            yield f"{name} has the shape {list(tensor.shape)}, the base's {list(wanted)}"


def parameters(contents: Contents) -> int:
    """Return how many numbers the adapter's matrices hold."""
    return sum(math.prod(m.a.shape) + math.prod(m.b.shape) for m in contents.modules)
