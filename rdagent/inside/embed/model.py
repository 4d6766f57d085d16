"""A model of the transformers library as an embedder: tokens, one forward pass, pooling.

``sentence-transformers`` is not in the image; what its models say of themselves (pooling,
longest text, prefixes) was read by the host and is in the request.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rdagent.errors import JobFailed, RefusedError, ResultError
from rdagent.inside.embed.batches import Encoded
from rdagent.inside.evaluate.cpus import allowed_cpus
from rdagent.records.embeddings import EmbedRequest, Pooling

#: Tokenizers that know no limit name a number beyond every text.
_NO_LIMIT = 1 << 20
#: Kinds of models that number a text's tokens from after the padding's own number on.
_NUMBERED_AFTER_PADDING = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet")


@dataclass(frozen=True, slots=True)
class Embedder:
    """A loaded model."""

    model: Any
    tokenizer: Any
    pooling: Pooling
    max_tokens: int
    #: No text may lose its end.
    whole: bool = False

    @property
    def device(self) -> str:
        """Where it computes."""
        return str(self.model.device.type)

    @property
    def dtype(self) -> str:
        """In which numbers."""
        return str(self.model.dtype).removeprefix("torch.")

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """Return the texts in tokens, each as far as the model reads it."""
        found = [tuple(ids) for ids in self.tokenizer(list(texts), verbose=False)["input_ids"]]
        return [
            Encoded(self._shortened(text) if len(ids) > self.max_tokens else ids, len(ids))
            for text, ids in zip(texts, found, strict=True)
        ]

    def _shortened(self, text: str) -> tuple[int, ...]:
        # By the tokenizer itself, which keeps the tokens that stand at the end of every text.
        return tuple(self.tokenizer(text, truncation=True, max_length=self.max_tokens)["input_ids"])

    def require_room(self, encoded: Sequence[Encoded]) -> None:
        """Raise RefusedError for texts that cannot be embedded as they have to be."""
        if any(not one.ids for one in encoded):
            raise RefusedError("a text has no token that the model knows")
        cut = [one.length for one in encoded if one.was_cut]
        if self.whole and cut:
            raise RefusedError(
                f"{len(cut)} texts are longer than the {self.max_tokens} tokens that the model"
                f" takes, the longest has {max(cut)}",
                hint="their last token is what is read: use a model with a longer context, or"
                " --style compact",
            )

    def embed(self, batch: Sequence[Sequence[int]]) -> Any:
        """Return a unit vector for each text, in float32; the other texts do not change it."""
        import torch

        ids, mask = self._padded(batch)
        told = {"input_ids": ids, "attention_mask": mask}
        if self._reads_last and "position_ids" in _parameters(self.model):
            # Padding stands before the text and is no part of it: the first token is number 0.
            told["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0)
        with torch.inference_mode():
            states = self.model(**told).last_hidden_state.float()
        return torch.nn.functional.normalize(_pooled(states, mask, self.pooling), dim=1).cpu()

    @property
    def _reads_last(self) -> bool:
        return self.pooling == "last"

    def _padded(self, batch: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        """Return tokens and mask; padding on the left puts every text's end at the last place."""
        import torch

        width = max(map(len, batch))
        blank = self.tokenizer.pad_token_id
        blank = 0 if blank is None else blank
        ids = torch.full((len(batch), width), blank, dtype=torch.long)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, text in enumerate(batch):
            begin = width - len(text) if self._reads_last else 0
            ids[row, begin : begin + len(text)] = torch.tensor(text)
            mask[row, begin : begin + len(text)] = 1
        return ids.to(self.model.device), mask.to(self.model.device)


def _parameters(model: Any) -> Any:
    return inspect.signature(model.forward).parameters


def _pooled(states: Any, mask: Any, pooling: Pooling) -> Any:
    if pooling == "last":
        return states[:, -1]
    if pooling == "cls":
        return states[:, 0]
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


@dataclass(slots=True)
class Vectors:
    """Rows that come in any order."""

    count: int
    dimension: int = 0
    _rows: dict[int, bytes] = field(default_factory=dict)

    def put(self, places: Sequence[int], vectors: Any) -> None:
        """Keep the vectors of a batch; raises ResultError for one that is none."""
        if not bool(vectors.isfinite().all()) or bool((vectors.norm(dim=1) < 0.5).any()):
            raise ResultError("the model's vectors are not numbers, or nothing")
        self.dimension = int(vectors.shape[1])
        for place, row in zip(places, vectors.numpy().astype("<f4"), strict=True):
            self._rows[place] = row.tobytes()

    def to_bytes(self) -> bytes:
        """Return all rows, by their places."""
        return b"".join(self._rows[place] for place in range(self.count))


def load(request: EmbedRequest) -> Embedder:
    """Load a request's model; code that comes with a model is not run."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    if request.on_gpu and not torch.cuda.is_available():
        raise JobFailed(
            "a GPU was asked for and torch sees none", reason="gpu_unavailable", exit_code=5
        )
    torch.set_num_threads(allowed_cpus())
    tokenizer = AutoTokenizer.from_pretrained(request.model)
    dtype = "auto" if request.weights == "stored" else torch.float32
    model = AutoModel.from_pretrained(request.model, dtype=dtype)
    model.eval().to("cuda" if request.on_gpu else "cpu")
    limit = token_limit(tokenizer, model.config, request.max_tokens)
    return Embedder(model, tokenizer, request.pooling, limit, request.whole)


def token_limit(tokenizer: Any, config: Any, wanted: int | None) -> int:
    """Return how many tokens a text may have: the least of what is said anywhere."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in _NUMBERED_AFTER_PADDING:
        positions -= config.pad_token_id + 1
    said = (wanted, tokenizer.model_max_length, positions, _NO_LIMIT)
    return int(min(limit for limit in said if limit))
