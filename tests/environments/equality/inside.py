"""Compares our program with lm_eval and with itself: ``python -m ... FOLDER`` writes facts.json.

Runs in the evaluation role's environment, once for all tests of ``test_equality``: what
is checked of the facts is checked there, a property in each test.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdagent.records.ledger import read_ledger
from rdagent.records.requests import Variant
from tests.environments.equality import adapters, damage, leaks, same_engine, sides, stops
from tests.environments.equality.sides import Asked

GENERATED = ("eq_generate", "eq_filters", "eq_votes", "eq_prefix", "eq_plain_greedy")
SHOWN = ("eq_shots", "eq_first_n", "eq_own_shots")
CHOSEN = ("eq_choice", "eq_letters", "eq_inputs")
SCORED = ("eq_likelihood", "eq_rolling")
DRAWING = ("eq_random_text", "eq_custom", "eq_shuffled")
ALL = (*GENERATED, *SHOWN, *CHOSEN, *SCORED, *DRAWING, "eq_group")
EACH_KIND = ("eq_generate", "eq_letters", "eq_choice", "eq_likelihood", "eq_rolling")
#: What both sides are told, by a name for it.
TOLD = {
    "as it is": Asked(ALL),
    "chat and system": Asked(ALL, True, {"system_instruction": "You run a home."}),
    "chat": Asked(("eq_prefix", "eq_shots", "eq_choice"), True),
    "system": Asked(("eq_shots", "eq_letters"), False, {"system_instruction": "You run a home."}),
    "seven": Asked(("eq_own_shots", "eq_votes", "eq_group"), False, {"limit": 7}),
    "a third": Asked(("eq_shots", "eq_letters", "eq_group"), True, {"limit": 0.3}),
    "other shots": Asked(
        ("eq_first_n", "eq_own_shots"), False, {"num_fewshot": 1, "gen_kwargs": "max_gen_toks=4"}
    ),
}


def compare(folder: Path, made: adapters.Made) -> dict[str, Any]:
    """Compare every shape with lm_eval itself, and each adapter with peft's own loading."""
    facts: dict[str, Any] = {}
    lm = sides.loaded()
    for number, (name, asked) in enumerate(TOLD.items()):
        place = folder / f"told{number}"
        with sides.cold_data(place / "theirs"):
            expected = sides.of_lm_eval(lm, asked)
        with sides.cold_data(place / "data"), sides.chunks_of(64 if number % 2 == 0 else 5):
            request = sides.request_of(asked, place / "out", [BASE])
            status = sides.evaluated(request)
        facts[name] = compared(status.reason, place / "out", "base", expected)
    asked = Asked(EACH_KIND, False, {"limit": 6})
    variants = [BASE, *(Variant(n, str(sides.MODEL), str(f)) for n, f in made.plain.items())]
    status = sides.evaluated(sides.request_of(asked, folder / "adapters", variants))
    for variant in variants:
        adapter = Path(variant.adapter) if variant.adapter else None
        expected = sides.of_lm_eval(sides.loaded(adapter), asked)
        found = compared(status.reason, folder / "adapters", variant.name, expected)
        facts[f"adapter {variant.name}"] = found
    return facts


BASE = Variant("base", str(sides.MODEL))


def compared(reason: str, out: Path, variant: str, expected: sides.Side) -> dict[str, Any]:
    """Return how one side of ours differs from theirs, and how much was compared."""
    said = json.loads((out / "variants" / variant / "variant.json").read_text("utf-8"))
    found = sides.written(out, variant)
    return {
        "reason": reason,
        "level": said["level"],
        "differences": sides.differences(expected, found),
        "records": {task: len(rows) for task, rows in expected.samples.items()},
        "answers": sorted({text for task in expected.samples for text in answers_of(found, task)}),
    }


def answers_of(side: sides.Side, task: str) -> list[str]:
    """Return the answers in one task's records."""
    return [
        line for line in (json.dumps(said) for said in sides.texts(side.samples[task], "resps"))
    ]


def random_documents(folder: Path, made: adapters.Made) -> dict[str, Any]:
    """Draw documents, and hold them against those of a run that scores all."""
    tasks = ("eq_own_shots", "eq_filters", "eq_votes", "eq_choice", "eq_rolling", "eq_group")
    asked = Asked(tasks, True)
    drawn = replace(asked, options={"sample": "random", "limit": 4})
    out = {name: folder / name for name in ("all", "drawn", "again", "other seed")}
    reasons = [
        sides.evaluated(sides.request_of(asked, out["all"], [BASE])).reason,
        sides.evaluated(sides.request_of(drawn, out["drawn"], [BASE])).reason,
        sides.evaluated(sides.request_of(drawn, out["again"], [BASE])).reason,
    ]
    request = sides.request_of(drawn, out["other seed"], [BASE])
    reasons.append(sides.evaluated(replace(request, seed=7)).reason)
    whole, some = (sides.written(out[name], "base") for name in ("all", "drawn"))
    others = {name: sides.written(out[name], "base") for name in ("again", "other seed")}
    plan = json.loads((out["drawn"] / "plan" / "plan.json").read_text("utf-8"))
    return {
        "reasons": reasons,
        "samples of": {task: ids(some, task) for task in some.samples},
        "planned": plan["selected"],
        "asked": sorted({(place[1], place[2]) for place in plan["occurrences"] if place[0] >= 0}),
        "tasks": plan["tasks"],
        "n-samples": some.results["n-samples"],
        "n-samples of all": whole.results["n-samples"],
        "not as in all": [
            f"{task}: {row}"
            for task, rows in some.samples.items()
            for row in rows
            if row not in whole.samples[task]
        ],
        "again": sides.differences(some, others["again"]),
        "other seed": {task: ids(others["other seed"], task) for task in some.samples},
        "answers": len(read_ledger(out["drawn"] / "variants" / "base" / "ledger.jsonl").answers),
        "answers of all": len(
            read_ledger(out["all"] / "variants" / "base" / "ledger.jsonl").answers
        ),
        "group of": whole.results["results"]["eq_group"]["sample_len"],
        "group of some": some.results["results"]["eq_group"]["sample_len"],
    }


def ids(side: sides.Side, task: str) -> list[int]:
    """Return the documents that were scored, each once."""
    return sorted(set(sides.texts(side.samples[task], "doc_id")))


CHECKS: dict[str, Callable[[Path, adapters.Made], dict[str, Any]]] = {
    "compare": compare,
    "random": random_documents,
    **same_engine.CHECKS,
    **damage.CHECKS,
    **leaks.CHECKS,
    **stops.CHECKS,
}


def main() -> None:
    """Write the facts of every check into the folder."""
    folder = Path(sys.argv[1])
    sides.fewer_bootstraps()
    made = adapters.make(folder / "made")
    facts = {}
    for name in sys.argv[2:] or CHECKS:
        began = time.monotonic()
        (folder / name).mkdir()
        try:
            facts[name] = CHECKS[name](folder / name, made)
        except Exception:
            facts[name] = {"crashed": traceback.format_exc()[-2000:]}
        print(f"{name}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    (folder / "facts.json").write_text(json.dumps(facts), "utf-8")


if __name__ == "__main__":
    main()
