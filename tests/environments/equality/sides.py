"""The two sides that are compared: lm_eval itself, and our plan, answers and scores.

Runs in the evaluation role's environment.  Both sides are turned into the bytes of the
same files; what may differ is named here and nowhere else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets
import lm_eval
from lm_eval import evaluator_utils
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from peft import PeftModel

from rdagent.inside.evaluate import engine, group, jsonable, output
from rdagent.inside.evaluate.answering import Shard
from rdagent.inside.evaluate.group import Work
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.status import InsideStatus

HERE = Path(__file__).parent
TASKS = HERE / "tasks"
MODEL = HERE.parents[2] / "rdagent" / "demo" / "tiny-home-1M"
SEED, LENGTH = 1234, 256
#: On a machine with a GPU: RDAGENT_TEST_DEVICE=cuda.
DEVICE = os.environ.get("RDAGENT_TEST_DEVICE", "cpu")
#: lm_eval draws 100,000 times for the error of a perplexity or an f1; so many are enough here.
BOOTSTRAPS = 100

#: When it ran, how long, where, on what, and from which working directory.
OF_THE_RUN = ("date", "total_evaluation_time_seconds", "pretty_env_info")
OF_THE_PLACE = ("git_hash", "upper_git_hash")
#: How the model was handed to lm_eval: as an object there, by name here.
OF_THE_CALL = ("model", "model_args", "batch_size", "batch_sizes", "device")
#: What lm_eval's own writer adds to a file, and we with it; it is not in what it returns.
OURS_ALONE = (
    "task_hashes",
    "model_source",
    "model_name",
    "model_name_sanitized",
    "system_instruction",
    "system_instruction_sha",
    "fewshot_as_multiturn",
    "chat_template",
    "chat_template_sha",
)


@dataclass(frozen=True, slots=True)
class Side:
    """What one side says: its results, and each task's records, a line each."""

    results: dict[str, Any]
    samples: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What both sides are asked."""

    tasks: tuple[str, ...]
    chat: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


def as_json(document: Any) -> Any:
    """Return what a file would hold of it."""
    return jsonable.finite(jsonable.plain(document))


def line(document: Any) -> str:
    """Return a line of a file."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def comparable(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return results without what may differ."""
    left_out = {*OF_THE_RUN, *OF_THE_PLACE, *OURS_ALONE, "samples"}
    kept = {name: value for name, value in results.items() if name not in left_out}
    kept["config"] = {k: v for k, v in kept["config"].items() if k not in OF_THE_CALL}
    return kept


def of_lm_eval(lm: Any, asked: Asked, *, seed: int = SEED) -> Side:
    """Return what lm_eval says of a model that it asks itself."""
    results: Any = lm_eval.simple_evaluate(
        model=lm,
        tasks=list(asked.tasks),
        task_manager=TaskManager(
            include_path=str(TASKS), include_defaults=False, metadata={"pretrained": str(MODEL)}
        ),
        apply_chat_template=asked.chat,
        random_seed=seed,
        numpy_random_seed=seed,
        torch_random_seed=seed,
        fewshot_random_seed=seed,
        **asked.options,
    )
    samples = {
        task: tuple(line(as_json(output.sample_record(row))) for row in rows)
        for task, rows in results["samples"].items()
    }
    return Side(comparable(as_json(results)), samples)


def loaded(adapter: Path | None = None, **options: Any) -> HFLM:
    """Return lm_eval's own model, an adapter on it as peft loads it."""
    lm = HFLM(
        pretrained=str(MODEL),
        device=DEVICE,
        dtype="float32",
        max_length=LENGTH,
        **{"batch_size": 1, **options},
    )
    if adapter is not None:
        lm._model = PeftModel.from_pretrained(lm.model, str(adapter)).eval()
        lm.peft = str(adapter)
    return lm


def request_of(asked: Asked, out: Path, variants: Iterable[Variant]) -> EvaluateRequest:
    """Return our request for what lm_eval is asked."""
    told = {"system_instruction": "system_prompt"}
    request = EvaluateRequest(
        variants=tuple(variants),
        tasks=asked.tasks,
        output=str(out),
        engine="hf",
        include=(str(TASKS),),
        batch_size="1",
        num_gpus=int(DEVICE != "cpu"),
        dtype="float32",
        seed=SEED,
        max_model_len=LENGTH,
        chat_template=asked.chat,
    )
    return replace(request, **{told.get(k, k): value for k, value in asked.options.items()})


def evaluated(request: EvaluateRequest, shard: Shard | None = None) -> InsideStatus:
    """Let the program for one group answer and score a request, or one shard of it."""
    out = Path(request.output)
    folders = {one.name: out / "variants" / one.name for one in request.variants}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    work = out / "work.json"
    work.write_text(json.dumps(Work(request, folders, out / "plan", shard).to_json()), "utf-8")
    group.main([str(work)])
    return InsideStatus.read(out)


def written(out: Path, variant: str) -> Side:
    """Return what our program wrote of a variant."""
    folder = out / "variants" / variant
    results = json.loads((folder / output.RESULTS_FILE).read_text("utf-8"))
    samples = {
        task: tuple(
            (folder / output.samples_name(task)).read_text("utf-8").removesuffix("\n").split("\n")
        )
        for task in results["configs"]
    }
    return Side(comparable(results), samples)


def differences(expected: Side, found: Side) -> list[str]:
    """Return what is not the same, byte for byte, named so that a reader finds it."""
    said = list(_unlike("", expected.results, found.results))
    said += [f"samples of {task}" for task in set(expected.samples) ^ set(found.samples)]
    for task in expected.samples:
        pairs = zip(expected.samples[task], found.samples.get(task, ()), strict=False)
        said += [f"{task}: {a[:2000]} / {b[:2000]}" for a, b in pairs if a != b]
        if len(expected.samples[task]) != len(found.samples.get(task, ())):
            said.append(f"{task}: another number of records")
    return said


def _unlike(place: str, one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        for key in one:
            yield from _unlike(f"{place}/{key}", one[key], other[key])
    elif line(one) != line(other):
        yield f"{place}: {line(one)[:300]} / {line(other)[:300]}"


@contextmanager
def cold_data(folder: Path) -> Iterator[None]:
    """Let the library of data sets find nothing that an earlier run kept on the disk."""
    before = datasets.config.HF_DATASETS_CACHE
    datasets.config.HF_DATASETS_CACHE = folder
    try:
        yield
    finally:
        datasets.config.HF_DATASETS_CACHE = before


@contextmanager
def chunks_of(size: int) -> Iterator[None]:
    """Let about so many requests be answered between two writes."""
    usual = engine.chunk_size
    engine.chunk_size = lambda request: size
    try:
        yield
    finally:
        engine.chunk_size = usual


def fewer_bootstraps() -> None:
    """Let both sides draw less often for an error: it is the same function for both."""
    original = evaluator_utils.stderr_for_metric

    def fewer(metric: Any, bootstrap_iters: int) -> Any:
        return original(metric, min(bootstrap_iters, BOOTSTRAPS))

    evaluator_utils.stderr_for_metric = fewer


def texts(rows: Sequence[str], name: str) -> list[Any]:
    """Return one field of every record."""
    return [json.loads(row)[name] for row in rows]
