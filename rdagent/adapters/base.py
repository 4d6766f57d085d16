"""The base model as the checks see it: its configuration and the headers of its weights.

The room does not look for models; whoever calls has found the folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rdagent.adapters.configuration import LoraConfiguration
from rdagent.adapters.header import Unreadable, read_header
from rdagent.adapters.problems import Problem, problem
from rdagent.errors import ResultError
from rdagent.files import untrusted
from rdagent.files.digests import text_digest

_CONFIG_LIMIT = 16 << 20
#: Says nothing of what the model computes.
_VOLATILE = frozenset(
    {
        "_name_or_path",
        "transformers_version",
        "torch_dtype",
        "dtype",
        "use_cache",
        "_commit_hash",
        "architectures",
        "quantization_config",
        "_attn_implementation",
        "attn_implementation",
        "unsloth_version",
        "unsloth_fixed",
        "pad_token_id",
        "id2label",
        "label2id",
        "return_dict",
        "output_attentions",
        "output_hidden_states",
    }
)
_SHARD_LIMIT = 1000


@dataclass(frozen=True)
class BaseFiles:
    """A base model's folder; what is in it is read when it is first asked for."""

    folder: Path

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The model's ``config.json``; empty when it cannot be read."""
        return _json_object(self.folder / "config.json")

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Tensors' names and shapes; empty when a file of the weights cannot be read."""
        found: dict[str, tuple[int, ...]] = {}
        for path in sorted(self.folder.glob("*.safetensors"))[:_SHARD_LIMIT]:
            try:
                # A hub's snapshot is made of links into its neighbour.
                tensors = read_header(path.resolve())
            except Unreadable:
                return {}
            found.update({tensor.name: tensor.shape for tensor in tensors})
        return found

    @property
    def is_quantised(self) -> bool:
        """Whether the weights are stored packed."""
        return bool(self.config.get("quantization_config"))

    def number(self, *names: str) -> int | None:
        """Return the first of these numbers that the configuration has, in its text part first."""
        for part in (self.config.get("text_config"), self.config):
            if not isinstance(part, Mapping):
                continue
            for name in names:
                value = part.get(name)
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    return value
        return None

    @property
    def has_experts(self) -> bool:
        """Whether it is a mixture of experts."""
        names = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
        return self.number(*names) is not None

    @property
    def layers(self) -> int | None:
        """How many layers the model has."""
        return self.number("num_hidden_layers", "n_layer", "num_layers", "n_layers")

    @property
    def vocabulary(self) -> int | None:
        """How many rows the embeddings have: as stored, else as configured."""
        for name, shape in self.shapes.items():
            if len(shape) == 2 and re.search(
                r"(^|\.)(embed_tokens|wte|embed_in|word_embeddings)\.weight$", name
            ):
                return shape[0]
        return self.number("vocab_size")

    @property
    def fingerprint(self) -> str:
        """A digest of what the configuration says of the model's function."""
        kept = {key: value for key, value in self.config.items() if key not in _VOLATILE}
        return text_digest(json.dumps(kept, sort_keys=True, default=str))


def _json_object(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as stream:
            document = untrusted.parse_json(stream.read(_CONFIG_LIMIT), path.name)
    except (OSError, ResultError):
        return {}
    return document if isinstance(document, dict) else {}


def check_identity(
    configuration: LoraConfiguration, base: BaseFiles | None, named: BaseFiles | None
) -> Iterator[Problem]:
    """Compare the base at hand with the one that the adapter names: by content, not by path."""
    name = configuration.base_model
    if name is None:
        yield problem("base_unnamed", "base_model_name_or_path is empty")
    if base is None or name is None:
        return
    if named is None:
        if _last_part(name) != base.folder.name and not _in_hub(name, base.folder):
            yield problem("base_unverified", f"{name} is not here; compared with none")
        return
    if named.is_quantised != base.is_quantised:
        which = "the one named" if named.is_quantised else "the one at hand"
        yield problem("base_quantised", f"{which} is quantised, the other is not")
    if named.fingerprint != base.fingerprint:
        keys = sorted(
            key
            for key in {*named.config, *base.config} - _VOLATILE
            if named.config.get(key) != base.config.get(key)
        )
        yield problem(
            "base_different",
            f"the adapter names {name}; the base at hand differs in {', '.join(keys[:5])}",
        )


def _last_part(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]


def _in_hub(name: str, folder: Path) -> bool:
    return f"models--{name.replace('/', '--')}" in folder.parts
