"""Starts vLLM once, on the CPU, and asks it: ``python -m ... FOLDER`` writes vllm.json."""

from __future__ import annotations

import json
import math
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdagent.inside.evaluate import engine
from rdagent.records.ledger import Answer, read_ledger
from rdagent.records.plan import Request, read_requests
from rdagent.records.requests import EvaluateRequest, Variant
from tests.environments.equality import adapters, sides
from tests.environments.equality.sides import Asked

TASKS = (
    "eq_plain_greedy",
    "eq_shots",
    "eq_filters",
    "eq_sampled",
    "eq_letters",
    "eq_choice",
    "eq_rolling",
)
CHUNK = 8


def contents(answers: list[Answer]) -> dict[tuple[str, int], Answer]:
    """Return what was answered, by request."""
    return {one.name: one for one in answers}


def apart(one: Answer, other: Answer) -> float:
    """Return how far two likelihoods are apart; texts, and greedy or not, are the same or not."""
    if one.kind == "generate":
        return 0.0 if one.content == other.content else math.inf
    values = [value if isinstance(value, tuple) else (value,) for value in (one.value, other.value)]
    same = values[0][1:] == values[1][1:]
    return abs(values[0][0] - values[1][0]) if same else math.inf


def one_by_one(model: Any, requests: list[Request]) -> list[Answer]:
    """Ask in another order, each request by itself."""
    shuffled = list(requests)
    random.Random(5).shuffle(shuffled)
    return [answer for one in shuffled for answer in model.answer([one], lambda: None)]


def evaluated(request: EvaluateRequest) -> tuple[str, Any]:
    """Evaluate; returns how it ended, and the engine that was opened for it."""
    opened: list[Any] = []
    usual = engine.open_engine

    def open_and_keep(*arguments: Any) -> Any:
        opened.append(usual(*arguments))
        return opened[0]

    engine.open_engine = open_and_keep
    engine.chunk_size = lambda request: CHUNK
    try:
        status = sides.evaluated(request)
    finally:
        engine.open_engine = usual
    return f"{status.reason} {status.message}", opened[0]


def facts_of(folder: Path) -> dict[str, Any]:
    """Evaluate three variants, then ask the same engine again."""
    made = adapters.make(folder / "made")
    model = str(sides.MODEL)
    variants = [Variant("base", model)]
    variants += [Variant(name, model, str(path)) for name, path in made.plain.items()]
    asked = Asked(TASKS, False, {"limit": 7})
    request = replace(sides.request_of(asked, folder / "out", variants), engine="vllm")
    said, opened = evaluated(replace(request, batch_size="auto"))
    facts: dict[str, Any] = {"said": said, "apart": {}, "how": {}}
    requests = list(read_requests(folder / "out" / "plan"))
    for name in ("second", "base", "first", "base"):
        (variant,) = (one for one in variants if one.name == name)
        opened.use(variant)
        path = folder / "out" / "variants" / name / "ledger.jsonl"
        known = list(read_ledger(path).answers.values())
        again = contents(one_by_one(opened, requests))
        expected = contents(known)
        facts["apart"][name] = {
            kind: [apart(again[one.name], expected[one.name]) for one in some]
            for kind, some in by_kind(requests).items()
        }
        facts["how"][name] = {one.key: how(one) for one in known if one.kind == "generate"}
    facts["broken"] = broken(opened, requests, variants[1])
    side = sides.written(folder / "out", "base")
    facts["drawn"] = [pair for (pair,) in sides.texts(side.samples["eq_sampled"], "resps")]
    document = folder / "out" / "variants" / "base" / "variant.json"
    facts["level"] = json.loads(document.read_text("utf-8"))["level"]
    facts["greedy level"] = greedy_level(folder, request)
    facts["on hf"] = on_hf(folder, request)
    return facts


def broken(opened: Any, requests: list[Request], adapted: Variant) -> list[str]:
    """Let the engine fail in the middle of its work, and return what it says then and later."""
    texts = [one for one in requests if one.kind == "generate"][:3]
    loaded = opened._lm.model.llm_engine
    step, said = loaded.step, []

    def fails() -> None:
        loaded.step = step
        raise RuntimeError("a step failed")

    loaded.step = fails
    for ask in (
        lambda: opened.answer(texts, lambda: None),
        lambda: opened.answer(texts[:1], lambda: None),
        lambda: opened.use(adapted),
    ):
        try:
            ask()
            said.append("answered")
        except Exception as error:
            said.append(type(error).__name__)
    return said


def greedy_level(folder: Path, request: EvaluateRequest) -> str:
    """Score what is known already of one task that draws nothing; no engine is needed."""
    told = replace(request, tasks=("eq_letters",), output=str(folder / "greedy"))
    told = replace(told, variants=request.variants[:1], stage="score", batch_size="auto")
    sides.evaluated(replace(told, kept=str(folder / "out" / "variants")))
    document = folder / "greedy" / "variants" / "base" / "variant.json"
    return json.loads(document.read_text("utf-8"))["level"]


def by_kind(requests: list[Request]) -> dict[str, list[Request]]:
    """Return the requests by kind; drawn ones are a kind of their own."""
    found: dict[str, list[Request]] = {}
    for one in requests:
        told = one.arguments[-1]
        drawn = isinstance(told, dict) and told.get("do_sample")
        found.setdefault("drawn" if drawn else one.kind, []).append(one)
    return found


def how(answer: Answer) -> list[Any]:
    """Return how a text was generated."""
    (output,) = answer.outputs
    return [output.text, output.finish_reason, output.n_tokens, answer.truncated]


def on_hf(folder: Path, request: EvaluateRequest) -> dict[str, dict[str, list[Any]]]:
    """Return how each variant's greedy texts are generated by engine hf."""
    told = replace(request, engine="hf", tasks=TASKS[:3], output=str(folder / "hf"))
    sides.evaluated(replace(told, batch_size="1"))
    ledgers = {
        one.name: read_ledger(folder / "hf" / "variants" / one.name / "ledger.jsonl")
        for one in request.variants
    }
    return {
        name: {one.key: how(one) for one in ledger.answers.values()}
        for name, ledger in ledgers.items()
    }


def main() -> None:
    """Write the facts into the folder."""
    folder = Path(sys.argv[1])
    sides.fewer_bootstraps()
    (folder / "vllm.json").write_text(json.dumps(facts_of(folder)), "utf-8")


if __name__ == "__main__":
    main()
