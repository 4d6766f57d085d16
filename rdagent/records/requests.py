"""What the program inside an image is told: ``request.json``.

Paths in a stored request say ``{mount:name}``; the backend puts the path in that
the program will see.  The host writes requests, the images read them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from rdagent.errors import ResultError
from rdagent.records.fields import Fields
from rdagent.records.stopping import StopRule

EVALUATE_SCHEMA = "rdagent.evaluate-request/3"
TRAIN_SCHEMA = "rdagent.train-request/1"
BASE_VARIANT = "base"

#: ``endpoint`` is asked by the host, between a job that plans and one that scores.
Engine = Literal["vllm", "hf", "scripted", "endpoint"]
ENGINES: tuple[Engine, ...] = ("vllm", "hf", "scripted", "endpoint")
#: What a job does of the three steps.
Stage = Literal["all", "plan", "infer", "score"]
STAGES: tuple[Stage, ...] = ("all", "plan", "infer", "score")
#: Which documents a limit leaves: the first ones, or some drawn with the seed.
Sample = Literal["first", "random"]
SAMPLES: tuple[Sample, ...] = ("first", "random")
DType = Literal["auto", "float32", "bfloat16", "float16"]
DTYPES: tuple[DType, ...] = ("auto", "float32", "bfloat16", "float16")
#: What becomes of a prompt that leaves no room for its answer: its beginning is cut, or the
#: evaluation is refused.
LongPrompts = Literal["truncate", "refuse"]
LONG_PROMPTS: tuple[LongPrompts, ...] = ("truncate", "refuse")


@dataclass(frozen=True, slots=True)
class Variant:
    """A model to evaluate, by itself or with one adapter."""

    name: str
    model: str
    adapter: str | None = None
    #: The adapter is merged into the model first, for an engine that cannot serve it as it is.
    merge: bool = False


@dataclass(frozen=True, slots=True)
class EvaluateRequest:
    """One evaluation: every variant answers every task, on one engine."""

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
    #: GPUs that share one model; None: as many of ``num_gpus`` as its heads divide by.
    tensor_parallel: int | None = None
    dtype: DType = "auto"
    #: None: the chat template is used when the model has one.
    chat_template: bool | None = None
    system_prompt: str | None = None
    #: Put over what the tasks say; None leaves them alone.
    max_gen_toks: int | None = None
    #: What the chat template is told of thinking; None: nothing.
    thinking: bool | None = None
    long_prompts: LongPrompts = "truncate"
    sample: Sample = "first"
    #: Examples by task, where a preset says so; the task's own number elsewhere.
    fewshot: dict[str, int] = field(default_factory=dict)
    #: A file that names the documents that are asked.
    subset: str | None = None
    #: The file that engine ``scripted`` answers from.
    script: str | None = None
    stage: Stage = "all"
    #: So many processes answer at once, each with its share of the GPUs.
    shards: int = 1
    #: Where answers of earlier attempts lie, a folder for each variant.
    kept: str | None = None
    #: The share of a GPU's memory that vLLM takes; None: its usual one.
    memory_share: float | None = None
    #: Base and adapters answer in pairs until it is decided; None: everything is answered.
    stop: StopRule | None = None

    @property
    def gpus_each(self) -> int:
        """How many GPUs one process has."""
        return self.num_gpus // max(self.shards, 1)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        document = {"schema": EVALUATE_SCHEMA, **asdict(self)}
        del document["stop"]
        # Only where it is asked for: a request without it is the same as ever.
        return document | ({"stop": self.stop.to_json()} if self.stop else {})

    @classmethod
    def from_json(cls, document: Any) -> EvaluateRequest:
        """Read the JSON document; raises ResultError when it is not one."""
        fields = Fields(document, "request.json", EVALUATE_SCHEMA)
        variants = [Fields(item, "request.json: variant") for item in fields.items("variants")]
        return cls(
            variants=tuple(_variant(item) for item in variants),
            tasks=fields.texts("tasks"),
            output=fields.text("output"),
            engine=_one_of(ENGINES, "engine", fields.text("engine")),
            include=fields.texts("include"),
            limit=fields.number_or_none("limit"),
            num_fewshot=fields.integer_or_none("num_fewshot"),
            batch_size=fields.text("batch_size", "auto"),
            seed=fields.integer("seed", 1234),
            gen_kwargs=fields.text_or_none("gen_kwargs"),
            max_model_len=fields.integer_or_none("max_model_len"),
            max_lora_rank=fields.integer("max_lora_rank", 16),
            num_gpus=fields.integer("num_gpus", 0),
            tensor_parallel=fields.integer_or_none("tensor_parallel"),
            dtype=_one_of(DTYPES, "dtype", fields.text("dtype", "auto")),
            chat_template=fields.flag_or_none("chat_template"),
            system_prompt=fields.text_or_none("system_prompt"),
            max_gen_toks=fields.integer_or_none("max_gen_toks"),
            thinking=fields.flag_or_none("thinking"),
            long_prompts=_one_of(
                LONG_PROMPTS, "long_prompts", fields.text("long_prompts", "truncate")
            ),
            sample=_one_of(SAMPLES, "sample", fields.text("sample", "first")),
            fewshot={
                task: Fields(fields.mapping("fewshot"), "request.json: fewshot").integer(task)
                for task in fields.mapping("fewshot")
            },
            subset=fields.text_or_none("subset"),
            script=fields.text_or_none("script"),
            shards=fields.integer("shards", 1),
            stage=_one_of(STAGES, "stage", fields.text("stage", "all")),
            kept=fields.text_or_none("kept"),
            memory_share=fields.number_or_none("memory_share"),
            stop=StopRule.from_json(fields.anything("stop")) if fields.anything("stop") else None,
        )


def _variant(fields: Fields) -> Variant:
    return Variant(
        fields.text("name"),
        fields.text("model"),
        fields.text_or_none("adapter"),
        fields.flag("merge"),
    )


Choice = TypeVar("Choice", bound=str)


def _one_of(choices: tuple[Choice, ...], what: str, name: str) -> Choice:
    for choice in choices:
        if name == choice:
            return choice
    raise ResultError(f"request.json: {what} {name!r} is none of {', '.join(choices)}")


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """One training: LLaMA-Factory's own configuration file, and what is put over it."""

    config: str
    folder: str
    output: str
    overrides: dict[str, Any] = field(default_factory=dict)
    #: So many processes train together, each with a device of its own.
    processes: int = 1
    #: A file with a name for each row, a line each: a row that would be cut is refused by it.
    row_names: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        document = {"schema": TRAIN_SCHEMA, **asdict(self)}
        # Only where it is asked for: a request without it is the same as ever.
        usual = {"processes": 1, "row_names": None}
        return {key: value for key, value in document.items() if usual.get(key, ...) != value}

    @classmethod
    def from_json(cls, document: Any) -> TrainRequest:
        """Read the JSON document; raises ResultError when it is not one."""
        fields = Fields(document, "request.json", TRAIN_SCHEMA)
        return cls(
            config=fields.text("config"),
            folder=fields.text("folder"),
            output=fields.text("output"),
            overrides=fields.mapping("overrides"),
            processes=fields.integer("processes", 1),
            row_names=fields.text_or_none("row_names"),
        )
