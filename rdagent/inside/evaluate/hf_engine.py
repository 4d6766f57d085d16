"""Engine ``hf``: transformers and peft, on the CPU or on GPUs; adapters change on one base.

lm_eval's own ``peft=`` loads an adapter that fits nothing without a word, and resizes
the vocabulary of the base; here neither happens.  The base answers before an adapter
is put on it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM

from rdagent.errors import InternalError, JobFailed
from rdagent.inside.evaluate import generation, peft_model
from rdagent.inside.evaluate.asking import Asker, Generated
from rdagent.inside.evaluate.effect import effect_notes
from rdagent.inside.evaluate.model_files import ModelFiles
from rdagent.inside.evaluate.versions import versions
from rdagent.records.answered import Answered
from rdagent.records.ledger import Answer
from rdagent.records.plan import Request
from rdagent.records.requests import EvaluateRequest, Variant

#: On a CPU, probing for the largest batch only burns time.
CPU_BATCH_SIZE = "16"


class HFEngine:
    """A model of transformers, with one adapter on it at a time."""

    def __init__(self, request: EvaluateRequest, model: ModelFiles, tokenizer: str | None) -> None:
        self._device = _device(request.num_gpus)
        self._batch_size = request.batch_size
        if self._device == "cpu" and self._batch_size.startswith("auto"):
            self._batch_size = CPU_BATCH_SIZE
        self._model_args: dict[str, Any] = {
            "pretrained": str(model.folder),
            "dtype": generation.dtype(request),
            "max_length": model.max_model_len,
            "parallelize": request.gpus_each > 1,
            **generation.thinking_arguments(request),
        }
        if tokenizer is not None:
            self._model_args["tokenizer"] = tokenizer
        lm = HFLM(**self._model_args, device=self._device, batch_size=self._batch_size)
        try_lengths_once(lm)
        self._lm, self._model = lm, model
        self._adapter: str | None = None
        self._changes: dict[str, float] = {}
        self._asker = Asker(
            lm=lm,
            watcher=_Watcher(lm),
            seed=request.seed,
            batch=self._batch_size,
            scored_room=lm.max_length + 1,
            seed_before_call=torch.manual_seed,
        )

    def use(self, variant: Variant) -> Answered:
        """Take the last adapter off, and put this variant's on."""
        if self._adapter is not None and variant.adapter != self._adapter:
            self._lm._model = peft_model.taken_off(self._lm.model)
            self._lm.peft = self._adapter = None
        change = None
        if variant.adapter is not None and self._adapter is None:
            change = self._put_on(variant.adapter)
        args = self._model_args | ({"peft": variant.adapter} if variant.adapter else {})
        return Answered(
            engine="hf",
            device=self._device,
            dtype=str(self._lm.model.dtype).removeprefix("torch."),
            batch_size=self._batch_size,
            max_model_len=self._model.max_model_len,
            model_args=args,
            model_info={name: str_or(v) for name, v in self._lm.get_model_info().items()},
            versions=versions(),
            largest_change=change,
            notes=effect_notes(change) if change is not None else (),
        )

    def _put_on(self, folder: str) -> float:
        model = peft_model.put_on(self._lm.model, Path(folder), str(self._lm.device))
        self._lm._model = model
        self._lm.peft = self._adapter = folder
        if folder not in self._changes:  # an adapter may come back many times
            self._changes[folder] = peft_model.largest_change(model)
        return self._changes[folder]

    def answer(self, requests: Sequence[Request], on_answer: Callable[[], None]) -> list[Answer]:
        """Return the answers to requests of one kind."""
        return self._asker.answer(requests, on_answer)

    def render(self, messages: Any, *, add_generation_prompt: bool) -> str | None:
        """Return a prompt as the model's class renders it."""
        return str(self._lm.apply_chat_template(messages, add_generation_prompt))

    def close(self) -> None:
        """Free the model."""
        del self._lm._model


def try_lengths_once(lm: Any) -> None:
    """Let lm_eval look for the largest batch once for each length, not once for each chunk.

    A length stands for all down to its half; what was found for it fits the shorter ones.
    """
    detect = lm._detect_batch_size
    found: dict[int, int] = {}

    def detect_once(requests: Sequence[Any] | None = None, pos: int = 0) -> int:
        length = lm.max_length
        if requests:
            _, context, continuation = requests[pos]
            needed = max(len(context) + len(continuation), 1)
            length = min(length, 1 << (needed - 1).bit_length())
        if length not in found:
            found[length] = detect([(None, [0] * length, [0])])
        return found[length]

    lm._detect_batch_size = detect_once


def str_or(value: Any) -> Any:
    """Return a number or text as it is, anything else as text: a type of torch, say."""
    return value if isinstance(value, int | float | str) or value is None else str(value)


def _device(gpus: int) -> str:
    if gpus == 0:
        return "cpu"
    if not torch.cuda.is_available():
        raise JobFailed(
            "a GPU was asked for and torch sees none", reason="gpu_unavailable", exit_code=5
        )
    return "cuda"


class _Watcher:
    """Looks at what ``generate`` returns, row by row, before lm_eval cuts it into text."""

    def __init__(self, lm: Any) -> None:
        self.generated: deque[Generated] = deque()
        self._lm = lm
        original = lm._model_generate

        def generate(
            context: Any, max_length: int, stop: list[str], attention_mask: Any, **options: Any
        ) -> Any:
            rows = original(
                context=context,
                max_length=max_length,
                stop=stop,
                attention_mask=attention_mask,
                **options,
            )
            for row, mask in zip(rows.tolist(), attention_mask.sum(dim=1).tolist(), strict=True):
                self.generated.append(self._look(row[context.shape[1] :], stop, int(mask)))
            return rows

        lm._model_generate = generate

    def _look(self, ids: list[int], stop: list[str], prompt_tokens: int) -> Generated:
        ends = self._ends()
        end = next((place for place, token in enumerate(ids) if token in ends), None)
        if end is not None:
            ids = ids[: end + 1]
        length = self._until_stop(ids, stop)
        stopped = end is not None or length is not None
        kept = ids if length is None else ids[:length]
        return Generated("stop" if stopped else "length", tuple(kept), prompt_tokens)

    def _ends(self) -> set[int]:
        said = getattr(self._lm.model.generation_config, "eos_token_id", None)
        found = {self._lm.eot_token_id, *(said if isinstance(said, list) else [said])}
        return {token for token in found if token is not None}

    def _until_stop(self, ids: list[int], stop: list[str]) -> int | None:
        """Return how many tokens it took to write a stop string; None when there is none."""
        eos = self._lm.tok_decode([self._lm.eot_token_id], skip_special_tokens=False)
        texts = [text for text in stop if text and text != eos]
        if not texts or not self._holds(ids, texts):
            return None
        low, high = 1, len(ids)
        while low < high:
            middle = (low + high) // 2
            if self._holds(ids[:middle], texts):
                high = middle
            else:
                low = middle + 1
        return low

    def _holds(self, ids: list[int], texts: list[str]) -> bool:
        text = self._lm.tok_decode(ids)
        if not isinstance(text, str):
            raise InternalError("the tokenizer decoded one row to several texts")
        return any(stop in text for stop in texts)
