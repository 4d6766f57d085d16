"""What the program inside an image is told: ``request.json``.

Paths in a stored request say ``{mount:name}``; the backend puts the path in that
the program will see.  The host writes requests, the images read them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rdagent.errors import ResultError
from rdagent.records.fields import Fields

EVALUATE_SCHEMA = "rdagent.evaluate-request/1"
TRAIN_SCHEMA = "rdagent.train-request/1"
BASE_VARIANT = "base"

Engine = Literal["vllm", "hf"]
ENGINES: tuple[Engine, ...] = ("vllm", "hf")


@dataclass(frozen=True, slots=True)
class Variant:
    """A model to evaluate: the base itself, or the base with one adapter."""

    name: str
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """One evaluation: every variant answers every task, on one engine."""

    base_model: str
    variants: tuple[Variant, ...]
    tasks: tuple[str, ...]
    output: str
    engine: Engine
    include: tuple[str, ...] = ()
    limit: float | None = None
    num_fewshot: int | None = None
    batch_size: str = "auto"
    seed: int = 1234
    gen_kwargs: str | None = None
    max_model_len: int | None = None
    max_lora_rank: int = 16
    num_gpus: int = 0
    #: None: the chat template is used when the model has one.
    chat_template: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"schema": EVALUATE_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, document: Any) -> EvaluateRequest:
        """Read the JSON document; raises ResultError when it is not one."""
        fields = Fields(document, "request.json", EVALUATE_SCHEMA)
        variants = [Fields(item, "request.json: variant") for item in fields.items("variants")]
        return cls(
            base_model=fields.text("base_model"),
            variants=tuple(Variant(v.text("name"), v.text_or_none("adapter")) for v in variants),
            tasks=fields.texts("tasks"),
            output=fields.text("output"),
            engine=_engine(fields.text("engine")),
            include=fields.texts("include"),
            limit=fields.number_or_none("limit"),
            num_fewshot=fields.integer_or_none("num_fewshot"),
            batch_size=fields.text("batch_size", "auto"),
            seed=fields.integer("seed", 1234),
            gen_kwargs=fields.text_or_none("gen_kwargs"),
            max_model_len=fields.integer_or_none("max_model_len"),
            max_lora_rank=fields.integer("max_lora_rank", 16),
            num_gpus=fields.integer("num_gpus", 0),
            chat_template=fields.flag_or_none("chat_template"),
        )


def _engine(name: str) -> Engine:
    for engine in ENGINES:
        if name == engine:
            return engine
    raise ResultError(f"request.json: engine {name!r} is none of {', '.join(ENGINES)}")


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """One training: LLaMA-Factory's own configuration file, and what is put over it."""

    config: str
    folder: str
    output: str
    overrides: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {"schema": TRAIN_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, document: Any) -> TrainRequest:
        """Read the JSON document; raises ResultError when it is not one."""
        fields = Fields(document, "request.json", TRAIN_SCHEMA)
        return cls(
            config=fields.text("config"),
            folder=fields.text("folder"),
            output=fields.text("output"),
            overrides=fields.mapping("overrides"),
        )
