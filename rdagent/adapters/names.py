"""What the names of an adapter's tensors say: which module, which matrix, which half is missing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from rdagent.adapters.configuration import LoraConfiguration
from rdagent.adapters.header import Tensor
from rdagent.adapters.problems import Problem, problem, some

PREFIX = "base_model.model."
Half = Literal["A", "B"]
_NAME_LIMIT = 512
_MATRIX = re.compile(r"(.+)\.lora_(A|B)\.weight")
_EMBEDDING = re.compile(r"(.+)\.lora_embedding_(A|B)")
_MAGNITUDE = re.compile(r"(.+)\.lora_magnitude_vector(\.weight)?")
_LORA_BIAS = re.compile(r"(.+)\.lora_B\.bias")
_TOKENS = re.compile(r"(.+)\.token_adapter\.trainable_tokens_(delta|original|base)\w*")
_ADAPTER_NAME = re.compile(
    r".+\.lora_(?:A|B|embedding_A|embedding_B|magnitude_vector)\.(?!weight$|bias$)[^.]+(\.weight)?"
)
_WRAPPERS = ("_fsdp_wrapped_module.", "_orig_mod.", "_checkpoint_wrapped_module.")
EMBEDDINGS = re.compile(
    r"(^|\.)(embed_tokens|lm_head|wte|wpe|embed_in|embed_out|word_embeddings|embedding|output)$"
)
LAYER = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Module:
    """The two matrices that an adapter puts beside one module."""

    name: str
    is_embedding: bool
    a: Tensor
    b: Tensor

    @property
    def is_expert(self) -> bool:
        """Whether it stands for all experts of a layer at once."""
        return self.name.endswith((".experts", ".experts.base_layer"))

    @property
    def layer(self) -> int | None:
        """The number of the layer it is in."""
        return layer_of(self.name)


@dataclass(slots=True)
class Contents:
    """An adapter's tensors, sorted by what they are."""

    modules: list[Module] = field(default_factory=list)
    magnitudes: dict[str, Tensor] = field(default_factory=dict)
    #: Modules that were trained in full, by name without the ending.
    saved: dict[str, Tensor] = field(default_factory=dict)
    token_rows: dict[str, Tensor] = field(default_factory=dict)
    biases: list[str] = field(default_factory=list)
    halves: dict[tuple[str, bool], dict[str, Tensor]] = field(
        default_factory=lambda: defaultdict(dict)
    )


def layer_of(module: str) -> int | None:
    """Return the number of the layer that a module is in."""
    match = LAYER.search(module)
    return int(match[1][:9]) if match else None


def sort_tensors(
    tensors: Iterable[Tensor], configuration: LoraConfiguration
) -> tuple[Contents, tuple[Problem, ...]]:
    """Sort an adapter's tensors; what has no place among them is said."""
    contents, unexpected, base_weights = Contents(), [], []
    tensors = tuple(tensors)
    named = tuple(_named_wrongly([tensor.name for tensor in tensors]))
    if named:
        return contents, named
    for tensor in tensors:
        name = tensor.name.removeprefix(PREFIX)
        if _sort_lora(contents, name, tensor):
            continue
        if name.endswith((".base_layer.weight", ".original_module.weight")):
            base_weights.append(name)
        elif _sort_full(contents, name, tensor, configuration):
            continue
        else:
            unexpected.append(tensor.name)
    said = []
    if unexpected:
        said.append(problem("name_unexpected", f"nothing is known of {some(unexpected)}"))
    foreign = [name for name in base_weights if not EMBEDDINGS.search(name.rsplit(".", 2)[0])]
    if foreign:
        said.append(problem("base_weights", f"weights of the base itself: {some(foreign)}"))
    return contents, (*said, *_pair(contents), *_complete(contents, configuration))


def _named_wrongly(names: list[str]) -> Iterator[Problem]:
    if not any("lora_" in name or "trainable_tokens" in name for name in names):
        yield problem("not_lora_weights", f"no tensor of a LoRA among {some(names)}")
        return
    wrapped = [
        name
        for name in names
        if any(part in name for part in _WRAPPERS) or name.startswith("module.")
    ]
    if wrapped:
        yield problem("name_wrapper", some(wrapped))
        return
    twice = f"{PREFIX}base_model."
    plain = [name for name in names if not name.startswith(PREFIX) or name.startswith(twice)]
    if plain:
        mixed = "" if len(plain) == len(names) else f", {len(names) - len(plain)} others do"
        what = "do not begin with base_model.model. once"
        yield problem("name_prefix", f"{len(plain)} names {what}{mixed}: {some(plain)}")
        return
    adapter = [name for name in names if _ADAPTER_NAME.fullmatch(name)]
    if adapter:
        yield problem("name_adapter", some(adapter))
    long = [name for name in names if len(name) > _NAME_LIMIT]
    if long:
        yield problem("name_unexpected", f"a name has {len(long[0])} letters: {some(long)}")


def _sort_lora(contents: Contents, name: str, tensor: Tensor) -> bool:
    for pattern, is_embedding in ((_MATRIX, False), (_EMBEDDING, True)):
        if match := pattern.fullmatch(name):
            contents.halves[match[1], is_embedding][match[2]] = tensor
            return True
    if match := _MAGNITUDE.fullmatch(name):
        contents.magnitudes[match[1]] = tensor
        return True
    if match := _LORA_BIAS.fullmatch(name):
        contents.biases.append(match[1])
        return True
    if match := _TOKENS.fullmatch(name):
        contents.token_rows[match[1]] = tensor
        return True
    return False


def _sort_full(
    contents: Contents, name: str, tensor: Tensor, configuration: LoraConfiguration
) -> bool:
    """Sort a tensor that is no LoRA's: of a saved module, a trained bias, resized embeddings."""
    module, _, ending = name.rpartition(".")
    module = module.removesuffix(".modules_to_save").removesuffix(".base_layer")
    if is_saved(module, configuration.saved_modules) or (
        ending == "weight" and EMBEDDINGS.search(module)
    ):
        contents.saved.setdefault(f"{module}.{ending}", tensor)
        return True
    if ending == "bias" and configuration.raw.get("bias", "none") != "none":
        contents.biases.append(module)
        return True
    return False


def is_saved(module: str, saved: tuple[str, ...]) -> bool:
    """Tell whether a module is one of ``modules_to_save`` or lies within one."""
    parts = f".{module}."
    return any(f".{name}." in parts for name in saved)


def _pair(contents: Contents) -> Iterator[Problem]:
    single = []
    for (module, is_embedding), halves in contents.halves.items():
        if len(halves) == 2:
            contents.modules.append(Module(module, is_embedding, halves["A"], halves["B"]))
        else:
            (half,) = halves
            other = "B" if half == "A" else "A"
            single.append(f"{module} has lora_{half} and no lora_{other}")
    if single:
        yield problem("pair_incomplete", some(single))


def _complete(contents: Contents, configuration: LoraConfiguration) -> Iterator[Problem]:
    """Check that what the configuration announces beside the matrices is there."""
    modules = {module for module, _ in contents.halves}
    without = sorted(modules - contents.magnitudes.keys())
    uses_dora = configuration.has("use_dora")
    if uses_dora and without:
        yield problem("dora_incomplete", f"no magnitude vector for {some(without)}")
    elif contents.magnitudes and not uses_dora:
        names = sorted(contents.magnitudes)
        yield problem("dora_incomplete", f"magnitude vectors without use_dora: {some(names)}")
    alone = sorted(contents.magnitudes.keys() - modules)
    if uses_dora and alone:
        yield problem("dora_incomplete", f"no matrices for the magnitude vectors of {some(alone)}")
    missing = [
        name
        for name in configuration.saved_modules
        if not any(is_saved(key.rpartition(".")[0], (name,)) for key in contents.saved)
    ]
    if missing:
        yield problem("saved_modules_missing", f"no weights of {some(missing)}")
    if not contents.halves and not contents.token_rows:
        yield problem("not_lora_weights", "there is no pair of lora_A and lora_B")
