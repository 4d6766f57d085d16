"""What is refused, and by what name: answers, adapters and tasks that are not as they should be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdagent.records.ledger import Answer, Output, encode, read_ledger
from rdagent.records.requests import EvaluateRequest, Variant
from tests.environments.equality import sides
from tests.environments.equality.adapters import Made
from tests.environments.equality.sides import Asked

BASE = Variant("base", str(sides.MODEL))
CLOCK = "{{ strftime_now('%H:%M:%S.%f') }} {{ messages[-1]['content'] }}\n"
REFUSES_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
)


def scripted(folder: Path, tasks: tuple[str, ...], *variants: Variant) -> EvaluateRequest:
    """Return a request that needs no model: a script answers."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "script.json"
    script.write_text(json.dumps({"default": "A: 7", "variants": {"b": {}}}), "utf-8")
    request = sides.request_of(Asked(tasks), folder / "out", variants or [BASE])
    return replace(request, engine="scripted", script=str(script))


def outcome(request: EvaluateRequest) -> dict[str, Any]:
    """Evaluate, and return what was said and whether there is a number."""
    status = sides.evaluated(request)
    return {
        "reason": status.reason,
        "message": status.message,
        "has results": (Path(request.output) / "variants/base/results.json").exists(),
    }


def ledgers(folder: Path, made: Made) -> dict[str, Any]:
    """Score answers of which one is missing, was changed, or is contradicted."""
    request = scripted(folder / "whole", ("eq_generate", "eq_choice"))
    facts = {"whole": outcome(request)}
    whole = folder / "whole/out/variants/base"
    lines = (whole / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    first = next(iter(read_ledger(whole / "ledger.jsonl").answers.values()))
    other = Answer(first.key, first.draw, first.kind, (Output("another"),), chunk=first.chunk)
    tampered = {
        "deleted": lines[1:],
        "changed": [lines[0].replace(b"A: 7", b"A: 8"), *lines[1:]],
        "contradicted": [*lines, encode(other).encode() + b"\n"],
        "twice": [*lines, lines[0]],
    }
    for name, kept in tampered.items():
        place = folder / name / "kept" / "base"
        place.mkdir(parents=True)
        (place / "ledger.jsonl").write_bytes(b"".join(kept))
        (place / "answered.json").write_bytes((whole / "answered.json").read_bytes())
        again = scripted(folder / name, request.tasks)
        facts[name] = outcome(replace(again, kept=str(folder / name / "kept"), stage="score"))
    facts["key"] = first.key
    return facts


def tasks(folder: Path, made: Made) -> dict[str, Any]:
    """Evaluate tasks that cannot be scored as they were planned, or not be asked at all."""
    named = {"turning": "eq_turning", "numbered": "eq_numbered", "half a letter": "eq_half_letter"}
    facts = {name: outcome(scripted(folder / name, (task,))) for name, task in named.items()}
    chat = replace(scripted(folder / "numbered chat", ("eq_numbered",)), chat_template=True)
    facts["numbered chat"] = outcome(chat)
    empty = sides.request_of(Asked(("eq_empty",)), folder / "empty", [BASE])
    facts["empty"] = outcome(empty)
    answers = read_ledger(folder / "empty/variants/base/ledger.jsonl").answers.values()
    facts["empty"]["errors"] = [one.error for one in answers if one.error]
    facts["empty"]["answered"] = sum(one.error is None for one in answers)
    return facts


def strangers(folder: Path, made: Made) -> dict[str, Any]:
    """Evaluate an adapter whose weights fit nothing beside one that fits."""
    variants = [
        BASE,
        Variant("stranger", str(sides.MODEL), str(made.stranger)),
        Variant("first", str(sides.MODEL), str(made.plain["first"])),
    ]
    asked = Asked(("eq_letters",), False, {"limit": 2})
    status = sides.evaluated(sides.request_of(asked, folder, variants))
    scored = [v.name for v in variants if (folder / "variants" / v.name / "results.json").exists()]
    return {"reason": status.reason, "message": status.message, "scored": scored}


def templates(folder: Path, made: Made) -> dict[str, Any]:
    """Evaluate with a template that tells the time, and with one that takes no system message."""
    facts = {}
    for name, template in {"clock": CLOCK, "no system": REFUSES_SYSTEM}.items():
        model = _with_template(folder / name / "model", template)
        asked = Asked(("eq_shots",), True, {"limit": 3, "system_instruction": "You run a home."})
        variant = Variant("base", str(model))
        request = sides.request_of(asked, folder / name / "out", [variant])
        facts[name] = outcome(request)
        side = sides.written(folder / name / "out", "base")
        rows = side.samples["eq_shots"]
        facts[name]["prompts"] = [
            said["gen_args_0"]["arg_0"] for said in sides.texts(rows, "arguments")
        ]
        variant_file = folder / name / "out/variants/base/variant.json"
        facts[name]["notes"] = json.loads(variant_file.read_text("utf-8"))["notes"]
    return facts


def _with_template(folder: Path, template: str) -> Path:
    folder.mkdir(parents=True)
    for path in sides.MODEL.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    return folder


CHECKS = {"ledgers": ledgers, "tasks": tasks, "strangers": strangers, "templates": templates}
