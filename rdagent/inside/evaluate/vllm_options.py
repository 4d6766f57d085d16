"""What vLLM is told, worked out without vLLM being imported: ranks, GPUs, greedy answers.

Used by ``vllm_engine``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rdagent.errors import AdapterInvalid, JobFailed

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


def tensor_parallel(gpus: int, config: dict[str, Any], wanted: int | None = None) -> int:
    """Return how many GPUs share the model: what is wanted, else as many as its heads divide by.

    Raises JobFailed when the attention heads do not divide by what is wanted.
    """
    heads = _heads(config)
    if heads is None:
        return max(wanted or gpus, 1)
    divisors = [count for count in range(1, heads + 1) if heads % count == 0]
    if wanted is None:
        return max([count for count in divisors if count <= gpus], default=1)
    if wanted not in divisors:
        raise JobFailed(
            f"tensor parallel {wanted}: the model's {heads} attention heads do not divide by it",
            reason="refused",
            exit_code=2,
            hint=f"one of {', '.join(map(str, divisors))}",
        )
    return wanted


def _heads(config: dict[str, Any]) -> int | None:
    text = config.get("text_config")
    heads = (text if isinstance(text, dict) else config).get("num_attention_heads")
    return heads if isinstance(heads, int) and heads > 0 else None


def concurrency(batch_size: str) -> dict[str, int]:
    """Return vLLM's own limit for a batch size: how many sequences it answers at a time."""
    return {"max_num_seqs": int(batch_size)} if batch_size.isdecimal() else {}


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
