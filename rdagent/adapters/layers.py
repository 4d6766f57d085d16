"""Whether every module that should have matrices has them, and whether the base has it.

With the base at hand its headers say what there is; without it layers are compared
with each other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from rdagent.adapters.base import BaseFiles
from rdagent.adapters.configuration import LoraConfiguration
from rdagent.adapters.names import LAYER, Contents, layer_of
from rdagent.adapters.problems import Problem, problem, some

_ATTENTION = re.compile(r"\.\w*att\w*\.")


def check_layers(
    contents: Contents, configuration: LoraConfiguration, base: BaseFiles | None
) -> Iterator[Problem]:
    """Check that every module that should have matrices has them, and that the base has it."""
    modules = [module.name for module in contents.modules]
    if not modules:
        return
    if base is not None:
        yield from _beyond_last_layer(modules, configuration, base)
    known = _base_modules(base) if base is not None else {}
    if known and base is not None and not configuration.has("layer_replication"):
        if base.has_experts:
            # Files and libraries differ in what they call the parts of a mixture of experts.
            modules = [name for name in modules if _ATTENTION.search(name)]
            known = {place: name for place, name in known.items() if _ATTENTION.search(name)}
        yield from _against_base(modules, configuration, known)
    elif not configuration.has("layers_to_transform") and _targets_all_layers(configuration):
        yield from _uneven(modules)


def _targets_all_layers(configuration: LoraConfiguration) -> bool:
    targets = configuration.targets
    return isinstance(targets, tuple) and not any("." in name for name in targets)


def _beyond_last_layer(
    modules: list[str], configuration: LoraConfiguration, base: BaseFiles
) -> Iterator[Problem]:
    layers = base.layers
    if layers is None or configuration.has("layer_replication") or "text_config" in base.config:
        return
    beyond = [name for name in modules if (layer_of(name) or 0) >= layers]
    if beyond:
        yield problem("layer_out_of_range", f"the base has {layers} layers: {some(beyond)}")


def place_of(module: str) -> str:
    """Return a module's name from its layer list on: libraries differ in what stands before."""
    parts = module.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[max(numbers[0] - 1, 0) :]) if numbers else parts[-1]


def _base_modules(base: BaseFiles) -> Mapping[str, str]:
    """Return the base's modules with a matrix: place → name."""
    found = {}
    for name, shape in base.shapes.items():
        module, _, ending = name.rpartition(".")
        if len(shape) == 2 and ending in ("weight", "qweight", "weight_packed"):
            found[place_of(module)] = module
    if found:
        found.setdefault("lm_head", "lm_head")  # tied: not in the file although the model has it
    return found


def _against_base(
    modules: list[str], configuration: LoraConfiguration, known: Mapping[str, str]
) -> Iterator[Problem]:
    own = {place_of(name): name for name in modules}
    strangers = sorted(name for place, name in own.items() if place not in known)
    if strangers:
        yield problem("module_unknown", f"{len(strangers)} modules: {some(strangers)}")
        return
    expected = {place: name for place, name in known.items() if _is_target(name, configuration)}
    missing = sorted(name for place, name in expected.items() if place not in own)
    if missing and own:
        yield problem(
            "layers_missing",
            f"{len(missing)} of {len(expected)} targeted modules have no weights: {some(missing)}",
        )


def _is_target(module: str, configuration: LoraConfiguration) -> bool:
    """Tell whether peft would adapt a module of the base; when in doubt it would not."""
    targets = configuration.targets
    if targets is None or isinstance(targets, str):
        # A pattern is matched against the whole name, and libraries differ in its beginning.
        return False
    if not any(module == name or module.endswith(f".{name}") for name in targets):
        return False
    excluded = configuration.excluded
    if isinstance(excluded, str) and re.fullmatch(excluded, module):
        return False
    if isinstance(excluded, tuple) and any(
        module == name or module.endswith(f".{name}") for name in excluded
    ):
        return False
    wanted = configuration.raw.get("layers_to_transform")
    if wanted is None or wanted == []:
        return True
    return layer_of(module) in (wanted if isinstance(wanted, list) else [wanted])


def _uneven(modules: list[str]) -> Iterator[Problem]:
    """Without a base to compare with, look for layers that lack what their neighbours have."""
    layers: dict[str, set[int]] = defaultdict(set)
    for name in modules:
        layer = layer_of(name)
        if layer is not None and ".experts" not in name:
            layers[LAYER.sub(".*.", name, count=1)].add(layer)
    everywhere = set().union(*layers.values()) if layers else set()
    holes = sorted(
        f"{name.replace('*', str(min(everywhere - found)), 1)}"
        for name, found in layers.items()
        if found != everywhere
    )
    gaps = sorted(set(range(max(everywhere) + 1)) - everywhere) if layers else []
    if holes:
        yield problem("layers_uneven", f"no weights of {some(holes)}")
    elif gaps:
        yield problem("layers_uneven", f"no weights in layers {some([str(n) for n in gaps])}")
