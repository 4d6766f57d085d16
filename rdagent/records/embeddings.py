"""What the embedding program is told, and what it says of the vectors that it wrote.

The vectors themselves are raw little-endian float32, row by row, in the order of the texts:
nothing of what a job wrote has to be unpacked.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from rdagent.errors import ResultError
from rdagent.records.fields import Fields

REQUEST_SCHEMA, EMBEDDED_SCHEMA = "rdagent.embed-request/1", "rdagent.embedded/1"
#: Another number for other vectors of the same text and model.
METHOD = 1
TEXTS_FILE, EMBEDDED_FILE, VECTORS_FILE = "texts.jsonl", "embedded.json", "vectors.f32"

#: Which of a text's hidden states become its vector: all of them, the first or the last one.
Pooling = Literal["mean", "cls", "last"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
#: float32, or the type in which the model's weights are stored.
Weights = Literal["float32", "stored"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts to embed with one model; paths say ``{mount:name}`` until the job sees them."""

    model: str
    #: JSON strings, a line each.
    texts: str
    output: str
    pooling: Pooling
    #: Longer texts lose their end; None: as long as the model takes.
    max_tokens: int | None = None
    #: A text that is too long is an error instead.
    whole: bool = False
    weights: Weights = "float32"
    on_gpu: bool = False
    #: So many tokens, padding included, are computed at once.
    batch_tokens: int = 16384

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"schema": REQUEST_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, document: Any) -> EmbedRequest:
        """Read a request; raises ResultError when the document is none."""
        fields = Fields(document, "request.json", REQUEST_SCHEMA)
        return cls(
            model=fields.text("model"),
            texts=fields.text("texts"),
            output=fields.text("output"),
            pooling=_one_of(fields.text("pooling"), POOLINGS, "pooling"),
            max_tokens=fields.integer_or_none("max_tokens"),
            whole=fields.flag("whole"),
            weights=_one_of(fields.text("weights"), WEIGHTS, "weights"),
            on_gpu=fields.flag("on_gpu"),
            batch_tokens=fields.integer("batch_tokens"),
        )


@dataclass(frozen=True, slots=True)
class Embedded:
    """What a job says of its vectors."""

    count: int
    dimension: int
    #: Places of the texts that were too long and lost their end.
    cut: tuple[int, ...]
    #: What the longest text would have been, and how much the model takes.
    longest: int
    max_tokens: int
    device: str
    dtype: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"schema": EMBEDDED_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, document: Any) -> Embedded:
        """Read what a job wrote; raises ResultError when it is malformed."""
        fields = Fields(document, EMBEDDED_FILE, EMBEDDED_SCHEMA)
        names = ("count", "dimension", "longest", "max_tokens")
        numbers = {name: fields.integer(name) for name in names}
        cut = fields.items("cut")
        places = range(numbers["count"])
        if min(numbers.values()) < 1 or not all(type(one) is int and one in places for one in cut):
            raise ResultError(f"{EMBEDDED_FILE} counts what cannot be counted")
        return cls(
            **numbers,
            cut=tuple(cut),
            device=fields.text("device"),
            dtype=fields.text("dtype"),
            sha256=fields.text("sha256"),
        )


def _one_of(value: str, allowed: tuple[Any, ...], what: str) -> Any:
    if value not in allowed:
        raise ResultError(f"request.json: {what} {value!r} is none of {', '.join(allowed)}")
    return value
