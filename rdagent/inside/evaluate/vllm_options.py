"""What vLLM is told, worked out without vLLM being imported: ranks, GPUs, greedy answers.

Used by ``vllm_engine``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdagent.errors import AdapterInvalid

#: The ranks that vLLM has kernels for.
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def served_rank(rank: int) -> int:
    """Return the smallest rank that vLLM serves and that holds ``rank``."""
    for served in RANKS:
        if served >= rank:
            return served
    raise AdapterInvalid(
        f"the adapter's rank {rank} is over {RANKS[-1]}, the largest that vLLM serves",
        hint="use engine hf",
    )


def tensor_parallel(gpus: int, config: dict[str, Any]) -> int:
    """Return the largest number of GPUs, up to ``gpus``, that the attention heads divide by."""
    text = config.get("text_config")
    heads = (text if isinstance(text, dict) else config).get("num_attention_heads")
    if not isinstance(heads, int) or heads < 1:
        return max(gpus, 1)
    return next((count for count in range(gpus, 0, -1) if heads % count == 0), 1)


def keep_greedy(
    modify: Callable[..., tuple[dict[str, Any], list[str], int]],
) -> Callable[..., tuple[dict[str, Any], list[str], int]]:
    """Wrap lm_eval's reading of generation arguments so that greedy is said aloud.

    A task that names neither ``do_sample`` nor ``temperature`` is greedy on engine hf;
    vLLM would sample it at temperature 1.
    """

    def modified(
        gen_kwargs: dict[str, Any], *arguments: Any, **options: Any
    ) -> tuple[dict[str, Any], list[str], int]:
        kwargs, until, max_tokens = modify(gen_kwargs, *arguments, **options)
        if not gen_kwargs.get("do_sample") and kwargs.get("temperature") is None:
            kwargs = {**kwargs, "temperature": 0.0}
        return kwargs, until, max_tokens

    return modified
