"""Which engine can serve an adapter as it is, and whether it can be merged into its base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rdagent.adapters.configuration import LoraConfiguration
from rdagent.adapters.names import EMBEDDINGS, Contents
from rdagent.adapters.problems import KINDS, Problem, problem, some

#: The ranks that vLLM makes room for; an adapter gets the next one.
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
#: Initialisations that leave the base as it is.
_PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")
#: What can be neither served by vLLM nor merged.
_HF_ONLY = ("lora_bias", "layer_replication", "qalora", "activated_lora", "variant_unknown")
_MERGED = (
    "dora",
    "saved_modules",
    "bias_trained",
    "rank_over_limit",
    "rank_pattern",
    "alpha_pattern",
    "trainable_tokens",
    "target_parameters",
    "fan_in_fan_out",
    "embedding_lora",
    "changes_base",
)
SERVING_CODES = frozenset((*_HF_ONLY, *_MERGED))


@dataclass(frozen=True, slots=True)
class Serving:
    """Why an adapter cannot be served as it is; empty when vLLM can."""

    reasons: tuple[Problem, ...]

    @property
    def is_plain(self) -> bool:
        """Whether vLLM serves it as it is."""
        return not self.reasons

    @property
    def can_merge(self) -> bool:
        """Whether peft can merge it into its base."""
        return not any(reason.code in _HF_ONLY for reason in self.reasons)

    @property
    def why_not(self) -> str:
        """The reasons in one sentence."""
        return ", and ".join(KINDS[reason.code].meaning for reason in self.reasons)


def serving_of(configuration: LoraConfiguration, contents: Contents) -> Serving:
    """Return what stands in the way of vLLM, which drops most of it without a word."""
    return Serving(tuple((*_by_fields(configuration), *_by_contents(configuration, contents))))


def _reason(code: str, seen: str) -> Problem:
    return problem(code, f"{KINDS[code].meaning} ({seen})")


def _by_fields(configuration: LoraConfiguration) -> Iterator[Problem]:
    raw = configuration.raw
    for code, field in (
        ("dora", "use_dora"),
        ("rank_pattern", "rank_pattern"),
        ("alpha_pattern", "alpha_pattern"),
        ("trainable_tokens", "trainable_token_indices"),
        ("target_parameters", "target_parameters"),
        ("fan_in_fan_out", "fan_in_fan_out"),
        ("lora_bias", "lora_bias"),
        ("layer_replication", "layer_replication"),
        ("qalora", "use_qalora"),
        ("activated_lora", "alora_invocation_tokens"),
    ):
        if configuration.has(field):
            yield _reason(code, f"{field} is set")
    for field in (
        "use_bdlora",
        "monteclora_config",
        "velora_config",
        "kasa_config",
        "arrow_config",
    ):
        if configuration.has(field):
            yield _reason("variant_unknown", f"{field} is set")
    if raw.get("bias", "none") != "none":
        yield _reason("bias_trained", f"bias is {raw['bias']!r}")
    start = raw.get("init_lora_weights")
    if isinstance(start, str) and start.lower() not in _PLAIN_STARTS:
        yield _reason("changes_base", f"init_lora_weights is {start!r}")
    if configuration.highest_rank > VLLM_RANKS[-1]:
        rank = configuration.highest_rank
        yield _reason("rank_over_limit", f"rank {rank}, vLLM's limit is {VLLM_RANKS[-1]}")


def _by_contents(configuration: LoraConfiguration, contents: Contents) -> Iterator[Problem]:
    if configuration.saved_modules or contents.saved:
        names = list(configuration.saved_modules) or sorted(contents.saved)
        yield _reason("saved_modules", some(names))
    adapted = [m.name for m in contents.modules if m.is_embedding or EMBEDDINGS.search(m.name)]
    if adapted:
        yield _reason("embedding_lora", some(adapted))


def rank_limit(ranks: Iterable[int]) -> int:
    """Return the smallest limit of vLLM's that holds all these ranks."""
    highest = max(ranks, default=VLLM_RANKS[0])
    return next((limit for limit in VLLM_RANKS if limit >= highest), VLLM_RANKS[-1])
