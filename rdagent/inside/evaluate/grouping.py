"""Which variants one start of an engine answers for: those of one model and one tokenizer.

An adapter that changes more than what peft can take off again has an engine of its own,
and so has a model that an adapter is merged into.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rdagent.inside.evaluate import model_files
from rdagent.records.requests import EvaluateRequest, Variant

ADAPTER_CONFIG = "adapter_config.json"
_LASTING = (
    "use_dora",
    "modules_to_save",
    "trainable_token_indices",
    "layer_replication",
    "target_parameters",
    "alora_invocation_tokens",
)
#: Ways to begin that leave the base's own weights alone; others split an adapter off them.
_HARMLESS_BEGINNINGS = (None, True, False, "gaussian")


@dataclass(frozen=True, slots=True)
class Group:
    """Variants in the order in which they answer: those without an adapter first."""

    variants: tuple[Variant, ...]

    @property
    def merge(self) -> bool:
        """Whether the adapter of its one variant is merged into the model first."""
        return self.variants[0].merge


def groups_of(request: EvaluateRequest) -> list[Group]:
    """Return the groups, in the order of the request."""
    if request.engine == "endpoint":
        return [Group(request.variants)]  # nothing is loaded: one plan is for all of them
    found: dict[tuple[str, ...], list[Variant]] = {}
    for variant in request.variants:
        found.setdefault(_group_name(variant), []).append(variant)
    return [Group(tuple(_base_first(variants))) for variants in found.values()]


def _group_name(variant: Variant) -> tuple[str, ...]:
    if variant.adapter is None:
        return (variant.model, "")
    if variant.merge or _stays(Path(variant.adapter)):
        return (variant.model, "", variant.name)
    tokenizer = model_files.tokenizer_folder(Path(variant.model), variant.adapter)
    own = str(tokenizer) if tokenizer != Path(variant.model) else ""
    return (variant.model, own)


def _stays(adapter: Path) -> bool:
    """Tell whether an adapter leaves something behind when it is taken off."""
    config = model_files.load_json(adapter / ADAPTER_CONFIG)
    if any(config.get(name) for name in _LASTING) or config.get("bias", "none") != "none":
        return True
    if config.get("init_lora_weights") not in _HARMLESS_BEGINNINGS:
        return True
    # Whatever else a file holds, its embeddings say, peft writes over the base's own.
    names = model_files.read_header(adapter / model_files.ADAPTER_WEIGHTS)
    return any("lora_" not in name for name in names if name != "__metadata__")


def _base_first(variants: Iterable[Variant]) -> list[Variant]:
    return sorted(variants, key=lambda variant: variant.adapter is not None)
