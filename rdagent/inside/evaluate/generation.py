"""How answers are generated: arguments put over the tasks' own, and thinking.

Used by ``group`` and the engines; the same for both of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rdagent.errors import RefusedError
from rdagent.records.requests import EvaluateRequest

THINK_END = "</think>"


def dtype(request: EvaluateRequest) -> str:
    """Return the type that weights are loaded in: few processors are quick in half precision."""
    if request.dtype != "auto":
        return request.dtype
    return "float32" if request.num_gpus == 0 else "auto"


def gen_kwargs(request: EvaluateRequest) -> dict[str, Any] | str | None:
    """Return what is put over the tasks' generation arguments; text is for lm_eval to read."""
    text = request.gen_kwargs
    if text is not None and text.lstrip().startswith("{"):
        given: dict[str, Any] = json.loads(text)
        return given | _longest(request)
    if text is None:
        return _longest(request) or None
    longest = "".join(f",{name}={value}" for name, value in _longest(request).items())
    return text + longest


def _longest(request: EvaluateRequest) -> dict[str, Any]:
    return {} if request.max_gen_toks is None else {"max_gen_toks": request.max_gen_toks}


def thinking_arguments(request: EvaluateRequest) -> dict[str, Any]:
    """Return what lm_eval's models are told of thinking; what is thought is no answer."""
    if request.thinking is None:
        return {}
    if not request.thinking:
        return {"enable_thinking": False}
    return {"enable_thinking": True, "think_end_token": THINK_END}


def refuse_thinking(request: EvaluateRequest, tasks: Iterable[Any]) -> None:
    """Raise RefusedError for tasks that score given answers, where nothing can be thought."""
    if not request.thinking:
        return
    for task in tasks:
        if task.OUTPUT_TYPE != "generate_until":
            raise RefusedError(
                f"Task '{task.task_name}' scores given answers: there is no thinking in it",
                hint="ask for tasks whose answers are generated, or leave --thinking out",
            )


def thinking_notes(request: EvaluateRequest, template: str | None) -> list[str]:
    """Return a note when the template has no switch that could be turned."""
    if request.thinking is None or (template and "enable_thinking" in template):
        return []
    asked = "on" if request.thinking else "off"
    return [f"thinking {asked}: the chat template has no switch for it and nothing changed"]
