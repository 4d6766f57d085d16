"""Let vLLM read what a question's choices share once, where lm_eval has it read for each.

vLLM leaves its prefix cache unread where log-probabilities of a prompt are asked for, since
it has none of what it did not compute.  A choice is scored on its own tokens alone: what
comes before them may come from the cache.  Two things are watched: an answer of which too
much was cached is asked again without the cache, and the cache is read only where all that
is asked at once has room in it, so that nothing is put off in the middle of its prompt.

``vllm_engine`` calls this; the parsing of likelihoods stays lm_eval's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Generate = Callable[..., Any]


def share(lm: Any) -> None:
    """Have this model of lm_eval read shared beginnings once."""
    cache = lm.model.llm_engine.vllm_config.cache_config
    if not cache.enable_prefix_caching:
        return
    alone: Generate = lm._model_generate
    parse = lm._parse_logprobs

    def generate(requests: Any, generate: bool = False, sampling_params: Any = None) -> Any:
        if generate or not has_room(requests, cache.block_size, cache.num_gpu_blocks):
            return alone(requests, generate=generate, sampling_params=sampling_params)
        return alone(requests, generate=True, sampling_params=_reading_the_cache())

    def parse_logprobs(tokens: list[int], outputs: Any, ctxlen: int) -> Any:
        if is_too_much((outputs.num_cached_tokens or 0), ctxlen):
            (outputs,) = alone([tokens])
        return parse(tokens=tokens, outputs=outputs, ctxlen=ctxlen)

    lm._model_generate = generate
    lm._parse_logprobs = parse_logprobs


def has_room(requests: Sequence[Sequence[int]], block_size: int, blocks: int | None) -> bool:
    """Tell whether the cache holds all of these, each with the token that is generated."""
    return sum(len(one) // block_size + 1 for one in requests) <= (blocks or 0)


def is_too_much(cached: int, context: int) -> bool:
    """Tell whether a token of the answer has no log-probability.

    The first one's comes from the position before it, which has to be computed.
    """
    return cached >= context


def _reading_the_cache() -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        temperature=0,
        prompt_logprobs=1,
        max_tokens=1,
        detokenize=False,
        skip_reading_prefix_cache=False,
    )
