"""Which engine can serve an adapter as it is."""

from __future__ import annotations

from collections.abc import Iterable

from rdagent.adapters.inspect import Adapter

#: The ranks that vLLM makes room for; an adapter gets the next one.
VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
#: Fields of a LoRA configuration that vLLM drops without a word, and so serves wrongly.
_DROPPED = (
    "rank_pattern",
    "alpha_pattern",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
    "fan_in_fan_out",
    "lora_bias",
    "use_qalora",
    "alora_invocation_tokens",
)


def why_not_vllm(adapter: Adapter) -> str | None:
    """Return why vLLM cannot serve the adapter, or None when it can."""
    config = adapter.config
    if config.get("use_dora"):
        return "it uses DoRA"
    if config.get("modules_to_save"):
        return "it has saved modules (modules_to_save)"
    if config.get("bias", "none") != "none":
        return f"it trains biases (bias={config['bias']!r})"
    if adapter.rank > VLLM_RANKS[-1]:
        return f"its rank is {adapter.rank}, above {VLLM_RANKS[-1]}"
    dropped = [name for name in _DROPPED if config.get(name)]
    return f"it sets {dropped[0]}" if dropped else None


def rank_limit(ranks: Iterable[int]) -> int:
    """Return the smallest limit of vLLM's that holds all these ranks."""
    highest = max(ranks, default=VLLM_RANKS[0])
    return next((limit for limit in VLLM_RANKS if limit >= highest), VLLM_RANKS[-1])
