"""What one loaded model answers, whatever was asked before it, in whichever order, by whom."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rdagent.inside.evaluate import harness, model_files, planning, selection
from rdagent.inside.evaluate.answering import Shard
from rdagent.inside.evaluate.hf_engine import HFEngine, try_lengths_once
from rdagent.inside.evaluate.renderer import Renderer
from rdagent.records.ledger import Answer, read_ledger
from rdagent.records.plan import Request, chunks_of
from rdagent.records.requests import EvaluateRequest, Variant
from tests.environments.equality import sides
from tests.environments.equality.adapters import Made
from tests.environments.equality.sides import Asked

BASE = Variant("base", str(sides.MODEL))


def planned(request: EvaluateRequest) -> tuple[Request, ...]:
    """Return what a request asks."""
    harness.seed_all(request.seed)
    chosen = selection.load(request, {})
    renderer = Renderer.load(sides.MODEL, request.engine, sides.LENGTH, None)
    prompts = planning.Prompts(renderer)
    plan = planning.make_plan(request, chosen, prompts, chat=False, chunk_size=16)
    return plan.requests


def opened(request: EvaluateRequest) -> HFEngine:
    """Return a model that was just loaded."""
    return HFEngine(request, model_files.read(sides.MODEL, sides.LENGTH), None)


def contents(answers: Iterable[Answer]) -> dict[str, str]:
    """Return what was answered, by request: the text or value, and how it was generated."""
    return {
        f"{one.key}:{one.draw}": repr((one.content, one.outputs, one.prompt_tokens, one.truncated))
        for one in answers
    }


def ask(model: HFEngine, requests: Sequence[Request]) -> dict[str, str]:
    """Return the answers to a plan, chunk by chunk."""
    found: list[Answer] = []
    for chunk in chunks_of(requests):
        found += model.answer(chunk, lambda: None)
    return contents(found)


def switching(folder: Path, made: Made) -> dict[str, Any]:
    """Ask one loaded model as several variants, back and forth, and each one loaded alone."""
    tasks = ("eq_generate", "eq_letters", "eq_choice", "eq_likelihood", "eq_rolling")
    request = sides.request_of(Asked(tasks, False, {"limit": 4}), folder, [])
    requests = planned(request)
    variants = {"base": BASE}
    for name, adapter in {**made.plain, "small": made.small}.items():
        variants[name] = Variant(name, str(sides.MODEL), str(adapter))
    alone = {}
    for name, variant in variants.items():
        model = opened(request)
        model.use(variant)
        alone[name] = ask(model, requests)
    shared = opened(request)
    wrong = []
    for name in ("base", "first", "second", "base", "small", "first", "base", "second"):
        shared.use(variants[name])
        if ask(shared, requests) != alone[name]:
            wrong.append(name)
    kinds = {one.kind for one in requests}
    same = sum(alone["base"][key] == alone["first"][key] for key in alone["base"])
    return {"wrong": wrong, "kinds": sorted(kinds), "unchanged by an adapter": same}


def order(folder: Path, made: Made) -> dict[str, Any]:
    """Ask for drawn answers in other orders and chunks, and go on after some are known."""
    request = sides.request_of(Asked(("eq_sampled",)), folder / "whole", [BASE])
    reason = sides.evaluated(request).reason
    ledger = folder / "whole" / "variants" / "base" / "ledger.jsonl"
    expected = contents(read_ledger(ledger).answers.values())
    requests = list(planned(request))
    random.Random(3).shuffle(requests)
    model = opened(request)
    model.use(BASE)
    # Something else is asked in between, and everything is asked one by one.
    others = [one for one in planned(replace(request, tasks=("eq_generate",)))][:2]
    shuffled: list[Answer] = []
    for one in requests:
        shuffled += model.answer([one], lambda: None)
        model.answer(others, lambda: None)
    whole = sides.written(folder / "whole", "base")
    drawn = [said for (said,) in sides.texts(whole.samples["eq_sampled"], "resps")]
    return {
        "reason": reason,
        "level": _level(folder / "whole"),
        "another order": contents(shuffled) == expected,
        "draws that differ": sum(len(set(pair)) > 1 for pair in drawn),
        "same question": [drawn[1], drawn[4]],
        **_resumed(folder, request, whole),
        "other seed": _with_other_seed(folder, request) == expected,
    }


def _resumed(folder: Path, request: EvaluateRequest, whole: sides.Side) -> dict[str, Any]:
    """Keep a part of the answers, and return how what is then written differs."""
    lines = (folder / "whole" / "variants" / "base" / "ledger.jsonl").read_bytes().splitlines(True)
    kept = folder / "kept" / "base"
    kept.mkdir(parents=True)
    (kept / "ledger.jsonl").write_bytes(b"".join(lines[:10]))
    again = replace(request, output=str(folder / "resumed"), kept=str(folder / "kept"))
    with sides.chunks_of(5):
        sides.evaluated(again)
    said = json.loads((folder / "resumed/variants/base/variant.json").read_text("utf-8"))
    differences = sides.differences(whole, sides.written(folder / "resumed", "base"))
    return {"resumed": said["answers"]["resumed"], "resumed differences": differences}


def _with_other_seed(folder: Path, request: EvaluateRequest) -> dict[str, str]:
    sides.evaluated(replace(request, output=str(folder / "other"), seed=99))
    return contents(read_ledger(folder / "other/variants/base/ledger.jsonl").answers.values())


def _level(out: Path) -> str:
    return json.loads((out / "variants/base/variant.json").read_text("utf-8"))["level"]


def batches(folder: Path, made: Made) -> dict[str, Any]:
    """Answer with several at once, and hold the texts against those of one at a time."""
    asked = Asked(("eq_generate", "eq_choice"))
    sides.evaluated(sides.request_of(asked, folder / "one", [BASE]))
    request = replace(sides.request_of(asked, folder / "four", [BASE]), batch_size="4")
    sides.evaluated(request)
    one, four = (sides.written(folder / name, "base") for name in ("one", "four"))
    return {
        "levels": [_level(folder / "one"), _level(folder / "four")],
        "texts": [sides.texts(side.samples["eq_generate"], "resps") for side in (one, four)],
        "detections": _detections(),
        "calls of the model": _calls(sides.request_of(asked, folder / "auto", [])),
        "chunks": _chunks("context %d", 3),
        "chunks of one context": _chunks("context", 100),
    }


def _calls(request: EvaluateRequest) -> list[int]:
    """Return how often the model is called for the same requests, the first and the second time."""
    requests = [one for one in planned(request) if one.kind == "loglikelihood"]
    model = opened(request)
    model.use(BASE)
    lm: Any = model._lm
    lm.batch_size_per_gpu, lm.max_batch_size = "auto", 2
    calls, call, found = [0], lm._model_call, []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        return call(*arguments, **options)

    lm._model_call = counted
    for _ in range(2):
        calls[0] = 0
        ask(model, requests)
        found.append(calls[0])
    return found


def _chunks(context: str, choices: int) -> list[list[str]]:
    """Return the contexts of each chunk, of questions with so many choices."""
    asked = [
        planning.Asked("loglikelihood", f"{n} {m}", 0, (text, str(m)), "t", n, m)
        for n in range(5)
        for m in range(choices)
        for text in [context % n if "%" in context else context]
    ]
    unknown: Any = SimpleNamespace(lengths=lambda texts: [None] * len(texts))
    found = planning._requests(asked, [True] * len(asked), unknown, 4)
    return [[one.arguments[0] for one in chunk] for chunk in chunks_of(found)]


def _detections() -> list[list[int]]:
    """Return the lengths for which a largest batch is looked for, and what is then answered."""
    looked: list[int] = []

    def detect(requests: Any = None, pos: int = 0) -> int:
        _, context, continuation = requests[pos]
        looked.append(len((context + continuation)[:-1]))
        return 1000 // looked[-1]

    lm = SimpleNamespace(max_length=256, _detect_batch_size=detect)
    try_lengths_once(lm)
    asked = [(None, [1] * size, [1] * 2) for size in (3, 60, 62, 50, 600, 250)]
    found = [lm._detect_batch_size(asked, place) for place in range(len(asked))]
    found += [lm._detect_batch_size(), lm._detect_batch_size()]
    return [looked, found]


def sharded(folder: Path, made: Made) -> dict[str, Any]:
    """Answer in three processes' shares, score what they wrote, and compare with one process."""
    asked = Asked(("eq_generate", "eq_choice", "eq_random_text", "eq_shuffled", "eq_sampled"))
    whole = sides.request_of(asked, folder / "whole", [BASE])
    shares = replace(whole, output=str(folder / "shares"))
    reasons = []
    with sides.cold_data(folder / "data"), sides.chunks_of(8):
        reasons.append(sides.evaluated(whole).reason)
        for number in range(3):
            part = replace(shares, stage="infer")
            reasons.append(sides.evaluated(part, Shard(number, 3)).reason)
        reasons.append(sides.evaluated(replace(shares, stage="score")).reason)
    one, several = (folder / name / "variants" / "base" for name in ("whole", "shares"))
    ledgers = [
        contents(read_ledger(place / "ledger.jsonl").answers.values()) for place in (one, several)
    ]
    return {
        "reasons": reasons,
        "differences": sides.differences(
            *(sides.written(folder / name, "base") for name in ("whole", "shares"))
        ),
        "same answers": ledgers[0] == ledgers[1],
        "levels": [_level(folder / "whole"), _level(folder / "shares")],
    }


def shuffled(folder: Path, made: Made) -> dict[str, Any]:
    """Evaluate tasks that shuffle choices, in memory, and on a disk whose cache gets warm."""
    tasks = ("eq_shuffled_in_memory", "eq_random_text")
    sides.evaluated(sides.request_of(Asked(tasks), folder / "memory", [BASE]))
    rows = sides.written(folder / "memory", "base").samples[tasks[0]]
    pairs = list(zip(sides.texts(rows, "doc"), sides.texts(rows, "arguments"), strict=True))
    on_disk = Asked(("eq_shuffled", "eq_random_text", "eq_custom"))
    with sides.cold_data(folder / "data"):
        for name in ("cold", "warm"):
            sides.evaluated(sides.request_of(on_disk, folder / name, [BASE]))
    return {
        "documents": len(rows),
        "matching": sum(document["drawn"] == _choices(asked) for document, asked in pairs),
        "in their first order": sum(doc["drawn"] == doc["choices"] for doc, _ in pairs),
        "warm": sides.differences(*(sides.written(folder / n, "base") for n in ("cold", "warm"))),
    }


def _choices(arguments: dict[str, Any]) -> list[str]:
    return [one["arg_1"].removeprefix(" ") for one in arguments.values()]


CHECKS = {
    "switching": switching,
    "order": order,
    "batches": batches,
    "shuffled": shuffled,
    "sharded": sharded,
}
