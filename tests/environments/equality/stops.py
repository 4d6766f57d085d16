"""Runs that stop when decided: what they ask and score, and what a later run takes of them.

A script answers, so that who is right is known beforehand; the model of the demo answers
where the engine matters.  What must come out is computed here by itself: the order of the
documents, and the document at which the evidence is enough.
"""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdagent.inside.evaluate import output
from rdagent.records.ledger import LEDGER_FILE, read_ledger
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.stopping import STOPPING_KEY, StopRule
from tests.environments.equality import adapters, sides
from tests.environments.equality.sides import Asked

RULE = StopRule(metrics={"eq_many": ("exact_match",)}, preference=("exact_match", "acc"))
#: Each task's questions: the first number, and how many there are.
NUMBERS = {"eq_many": (0, 200), "eq_many_more": (1000, 150), "eq_many_few": (2000, 10)}
Right = Callable[[int], bool]
#: Who is right, by the number in the question.
MODELS: Mapping[str, Right] = {
    "base": lambda n: n * 37 % 10 < 4,
    "better": lambda n: n * 37 % 10 < 8,
    "worse": lambda n: n * 37 % 10 < 1,
    "other": lambda n: n * 37 % 10 in (1, 2, 3, 7),
    "slightly": lambda n: n * 37 % 20 < 13,
    "first": lambda n: n * 37 % 20 < 15,
}


def script(folder: Path) -> str:
    """Write what every model says to every question."""
    said = {
        name: {
            f"Q: What is {n} and 1?\nA:": str(n + 1) if right(n) else "0"
            for first, count in NUMBERS.values()
            for n in range(first, first + count)
        }
        for name, right in MODELS.items()
    }
    path = folder / "script.json"
    path.write_text(json.dumps({"default": "0", "variants": said}), "utf-8")
    return str(path)


def request_of(
    place: Path, adapter: Path, models: tuple[str, ...], tasks: tuple[str, ...] = ("eq_many",)
) -> EvaluateRequest:
    """Return a request that may stop, of models that a script plays."""
    folder = place.parent
    model = str(sides.MODEL)
    variants = [Variant(one, model, None if one == "base" else str(adapter)) for one in models]
    request = sides.request_of(Asked(tasks), place, variants)
    return replace(request, engine="scripted", script=script(folder), stop=RULE)


def said(out: Path, variant: str) -> dict[str, Any]:
    """Return what is said of how a variant was answered."""
    found: dict[str, Any] = json.loads(
        (out / "variants" / variant / output.VARIANT_FILE).read_text("utf-8")
    )
    return found


def answers(out: Path, variant: str) -> int:
    """Return how many answers a variant's ledger holds."""
    return len(read_ledger(out / "variants" / variant / LEDGER_FILE).answers)


def ids(side: sides.Side, task: str = "eq_many") -> list[int]:
    """Return the documents in a task's records, in their order there."""
    return [int(one) for one in sides.texts(side.samples[task], "doc_id")]


def expected(
    base: str, adapters_: tuple[str, ...], threshold: float, task: str = "eq_many"
) -> list[int]:
    """Return the documents until the evidence on every adapter has sufficed once."""
    first, count = NUMBERS[task]
    order = list(range(count))
    random.Random(f"{sides.SEED}:{task}:order").shuffle(order)
    wins = {name: [0, 0] for name in adapters_}
    open_ = set(adapters_)
    for place, number in enumerate(order, 1):
        for name in adapters_:
            pair = MODELS[base](first + number), MODELS[name](first + number)
            wins[name][0] += pair == (True, False)
            wins[name][1] += pair == (False, True)
            b, c = wins[name]
            if 2 ** (b + c) >= threshold * (b + c + 1) * math.comb(b + c, b):
                open_.discard(name)
        if not open_:
            return sorted(order[:place])
    return sorted(order)


def without_mark(side: sides.Side) -> sides.Side:
    """Return a side as it would be of a run that may not stop."""
    config = {k: v for k, v in side.results["config"].items() if k != STOPPING_KEY}
    return replace(side, results={**side.results, "config": config})


def whole(request: EvaluateRequest, name: str) -> EvaluateRequest:
    """Return the same request without a stop."""
    return replace(request, stop=None, output=str(Path(request.output).with_name(name)))


def decided(folder: Path, made: adapters.Made) -> dict[str, Any]:
    """Stop at a large difference; then ask everything, which takes up what is there."""
    request = request_of(folder / "early", made.plain["first"], ("base", "better"))
    full = whole(request, "full")
    reasons = [sides.evaluated(request).reason, sides.evaluated(full).reason]
    early, all_ = folder / "early", folder / "full"
    found = {name: sides.written(early, name) for name in ("base", "better")}
    rows = {name: sides.written(all_, name).samples["eq_many"] for name in found}
    plan = json.loads((early / "plan" / "plan.json").read_text("utf-8"))
    facts = {
        "documents": {name: ids(side) for name, side in found.items()},
        "expected": expected("base", ("better",), 20),
        "planned": plan["selected"],
        "digests": [plan["digest"], json.loads((all_ / "plan/plan.json").read_text())["digest"]],
        "asked in the plan": len({row[2] for row in plan["occurrences"] if row[0] >= 0}),
        "requests in the plan": len((early / "plan/requests.jsonl").read_text().splitlines()),
        "not as in all": [
            r for n, s in found.items() for r in s.samples["eq_many"] if r not in rows[n]
        ],
        "n-samples": [side.results["n-samples"]["eq_many"] for side in found.values()],
        "config": [side.results["config"][STOPPING_KEY] for side in found.values()],
        "variant": said(early, "better")[STOPPING_KEY],
        "prompts": said(early, "base")["prompts"]["eq_many"]["prompts"],
        "rates": said(early, "base")["rates"]["eq_many"]["answers"],
        "answers": {name: answers(early, name) for name in found},
        "progress": (early / "progress.jsonl").read_text().splitlines()[-1],
    }
    return {"reasons": reasons, **facts, **_taken_up(folder, request)}


def _taken_up(folder: Path, request: EvaluateRequest) -> dict[str, Any]:
    """Ask everything where another run's answers are known, and stop where all are."""
    kept = folder / "kept"
    for source in ("early", "full"):
        for name in ("base", "better"):
            (kept / source / name).mkdir(parents=True)
            ledger = folder / source / "variants" / name / LEDGER_FILE
            shutil.copyfile(ledger, kept / source / name / "reused.jsonl")
            shutil.copyfile(
                ledger.with_name("answered.json"), kept / source / name / "answered.json"
            )
    later = replace(whole(request, "later"), kept=str(kept / "early"))
    again = replace(request, output=str(folder / "again"), kept=str(kept / "full"))
    base_only = replace(request, output=str(folder / "base known"), kept=str(kept / "base known"))
    shutil.copytree(kept / "full" / "base", kept / "base known" / "base")
    # No engine can be opened without a script: what is known is not asked.
    reasons = [
        sides.evaluated(later).reason,
        sides.evaluated(replace(again, script=None)).reason,
        sides.evaluated(base_only).reason,
    ]
    return {
        "later reasons": reasons,
        "reused": [
            said(folder / "later", name)["answers"]["reused"] for name in ("base", "better")
        ],
        "later": _unlike(folder / "full", folder / "later", ("base", "better")),
        "again": _unlike(folder / "early", folder / "again", ("base", "better")),
        "base known": _unlike(folder / "early", folder / "base known", ("base", "better")),
        "asked beside a known base": answers(folder / "base known", "better"),
    }


def _unlike(one: Path, other: Path, names: tuple[str, ...]) -> list[str]:
    pairs = ((sides.written(one, name), sides.written(other, name)) for name in names)
    return [line for pair in pairs for line in sides.differences(*pair)]


def undecided(folder: Path, made: adapters.Made) -> dict[str, Any]:
    """Compare models that are equally good: nothing is left out, and nothing is another."""
    request = request_of(folder / "even", made.plain["first"], ("base", "other"))
    full = whole(request, "full")
    reasons = [sides.evaluated(request).reason, sides.evaluated(full).reason]
    pairs = [
        (sides.written(folder / "full", name), without_mark(sides.written(folder / "even", name)))
        for name in ("base", "other")
    ]
    return {
        "reasons": reasons,
        "differences": [line for pair in pairs for line in sides.differences(*pair)],
        "said": said(folder / "even", "other")[STOPPING_KEY],
    }


def several(folder: Path, made: adapters.Made) -> dict[str, Any]:
    """Compare several models on a task, a group and a task that is graded."""
    tasks = ("eq_many", "eq_many_group", "eq_many_graded")
    names = ("base", "better", "worse", "slightly")
    request = request_of(folder / "several", made.plain["first"], names, tasks)
    reason = sides.evaluated(request).reason
    found = {name: sides.written(folder / "several", name) for name in names}
    alone = request_of(folder / "alone", made.plain["first"], ("base", "worse"))
    alone_reason = sides.evaluated(alone).reason
    return {
        "reasons": [reason, alone_reason],
        "said": said(folder / "several", "base")[STOPPING_KEY],
        "the same said": len(
            {json.dumps(said(folder / "several", n)[STOPPING_KEY]) for n in names}
        ),
        "documents": {
            task: [ids(side, task) for side in found.values()]
            for task in ("eq_many", "eq_many_more", "eq_many_few", "eq_many_graded")
        },
        "expected": expected("base", names[1:], 20 * 9),
        "group": found["base"].results["results"]["eq_many_group"]["sample_len"],
        "alone": said(folder / "alone", "worse")[STOPPING_KEY]["tasks"]["eq_many"],
    }


def interrupted(folder: Path, made: adapters.Made) -> dict[str, Any]:
    """Cut off what was answered at random places, and go on from there."""
    request = request_of(folder / "whole", made.plain["first"], ("base", "slightly", "better"))
    request = replace(request, tasks=("eq_many", "eq_many_graded"))
    reason = sides.evaluated(request).reason
    rnd = random.Random(5)
    found = [_gone_on(folder, request, number, rnd) for number in range(6)]
    return {
        "reason": reason,
        "differences": [line for one in found for line in one["differences"]],
        "resumed": [one["resumed"] for one in found],
    }


def _gone_on(
    folder: Path, request: EvaluateRequest, number: int, rnd: random.Random
) -> dict[str, Any]:
    """Let a run go on from what is left of each ledger of ``whole``."""
    kept = folder / f"kept{number}"
    names = tuple(one.name for one in request.variants)
    for name in names:
        (kept / name).mkdir(parents=True)
        source = folder / Path(request.output).name / "variants" / name
        shutil.copyfile(source / "answered.json", kept / name / "answered.json")
        content = (source / LEDGER_FILE).read_bytes()
        (kept / name / LEDGER_FILE).write_bytes(content[: rnd.randrange(len(content))])
    again = replace(request, output=str(folder / f"again{number}"), kept=str(kept))
    sides.evaluated(again)
    return {
        "differences": _unlike(Path(request.output), Path(again.output), names),
        "resumed": said(Path(again.output), "base")["answers"]["resumed"],
    }


def on_a_model(folder: Path, made: adapters.Made) -> dict[str, Any]:
    """Let a real model answer in turns, and hold it against answering one after the other."""
    names = ("base", *made.plain)
    variants = [Variant("base", str(sides.MODEL))]
    variants += [Variant(n, str(sides.MODEL), str(path)) for n, path in made.plain.items()]
    tasks = ("eq_letters", "eq_choice", "eq_generate", "eq_rolling", "eq_sampled")
    request = replace(sides.request_of(Asked(tasks), folder / "turns", variants), stop=RULE)
    with sides.chunks_of(8):
        reasons = [sides.evaluated(request).reason]
        reasons.append(sides.evaluated(whole(request, "one by one")).reason)
        gone_on = _gone_on(folder, request, 0, random.Random(1))
    pairs = [
        (sides.written(folder / "one by one", n), without_mark(sides.written(folder / "turns", n)))
        for n in names
    ]
    return {
        "reasons": reasons,
        "differences": [line for pair in pairs for line in sides.differences(*pair)],
        "gone on": gone_on,
        "said": said(folder / "turns", "base")[STOPPING_KEY]["tasks"],
        "levels": [said(folder / "turns", name)["level"] for name in names],
    }


def failing(folder: Path, made: adapters.Made) -> dict[str, Any]:
    """Put an adapter that fits nothing beside one that does, and ask what cannot be paired."""
    model = str(sides.MODEL)
    variants = [
        Variant("base", model),
        Variant("first", model, str(made.plain["first"])),
        Variant("stranger", model, str(made.stranger)),
    ]
    asked = Asked(("eq_letters",))
    request = replace(sides.request_of(asked, folder / "one", variants), stop=RULE)
    status = sides.evaluated(request)
    nobody = replace(request, variants=(variants[0], variants[2]), output=str(folder / "nobody"))
    left = sides.evaluated(nobody)
    coin = request_of(folder / "coin", made.plain["first"], ("base", "better"), ("eq_many_coin",))
    thrown = sides.evaluated(coin)
    return {
        "thrown": [
            thrown.reason,
            thrown.message,
            len(list(folder.glob("coin/variants/*/results*"))),
        ],
        "reason": status.reason,
        "scored": sorted(path.parent.name for path in folder.glob("one/variants/*/results.json")),
        "said": said(folder / "one", "first")[STOPPING_KEY]["tasks"]["eq_letters"]["adapters"],
        "nobody": [left.reason, len(list(folder.glob("nobody/variants/*/results.json")))],
    }


CHECKS = {
    "decided": decided,
    "undecided": undecided,
    "several": several,
    "interrupted": interrupted,
    "on a model": on_a_model,
    "failing": failing,
}
