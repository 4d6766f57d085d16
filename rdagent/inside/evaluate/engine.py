"""What an engine is to the rest: it is opened once, and answers for one variant after the other.

``hf_engine``, ``vllm_engine`` and ``scripted_engine`` beside this one are imported only
when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rdagent.inside.evaluate.model_files import ModelFiles
from rdagent.records.answered import Answered
from rdagent.records.ledger import Answer
from rdagent.records.plan import Request
from rdagent.records.requests import EvaluateRequest, Variant

#: How many requests are answered between two writes: what a kill can cost.
_CHUNK_ON_CPU, _CHUNK_ON_GPU = 64, 512
#: vLLM takes a new request as soon as one is answered: the end of a chunk leaves it idle.
_CHUNK_OF_VLLM_ON_CPU = 256


class EngineBroken(RuntimeError):
    """The engine failed at a request and can answer no other one: asking again is no use."""


class Engine(Protocol):
    """Answers requests."""

    def use(self, variant: Variant) -> Answered:
        """Answer as this variant from now on; raises AdapterInvalid when it cannot be served."""

    def answer(self, requests: Sequence[Request], on_answer: Callable[[], None]) -> list[Answer]:
        """Return the answers to requests of one kind, in order; ``on_answer`` after each.

        Raises EngineBroken when it is the engine that failed and not one of the requests.
        """

    def render(self, messages: Any, *, add_generation_prompt: bool) -> str | None:
        """Return a prompt as the loaded engine renders it; None when it renders nothing."""

    def close(self) -> None:
        """Give back what it holds."""


def open_engine(
    request: EvaluateRequest, variants: Sequence[Variant], model: ModelFiles, tokenizer: str | None
) -> Engine:
    """Load the model that all these variants share, with room for their adapters."""
    if request.engine == "vllm":
        from rdagent.inside.evaluate import vllm_engine

        return vllm_engine.VLLMEngine(request, variants, model)
    if request.engine == "scripted":
        from rdagent.inside.evaluate import scripted_engine

        return scripted_engine.ScriptedEngine.open(request)
    from rdagent.inside.evaluate import hf_engine

    return hf_engine.HFEngine(request, model, tokenizer)


def chunk_size(request: EvaluateRequest) -> int:
    """Return how many requests a chunk holds."""
    if request.num_gpus:
        return _CHUNK_ON_GPU
    return _CHUNK_OF_VLLM_ON_CPU if request.engine == "vllm" else _CHUNK_ON_CPU
