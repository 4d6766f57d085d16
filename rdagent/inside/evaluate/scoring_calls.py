"""Refuse tasks whose scoring runs code, or asks a model, a service or the hub.

Jobs have no network, and a score that another model gives cannot be had again.  What a
task's scoring reaches is read from its source (``reachable``); nothing of it is run.
``refuse`` takes loaded tasks, ``refuse_named`` names of an index, before any is loaded.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import RefusedError
from rdagent.inside.evaluate.reachable import uses

_SERVICE = "asks a service"
_MODEL = "loads a model of its own"
_HUB = "loads a metric's code from the hub"
_PACKAGES: Mapping[str, str] = {
    **dict.fromkeys(
        ("openai", "anthropic", "cohere", "litellm", "googleapiclient", "google.generativeai"),
        _SERVICE,
    ),
    **dict.fromkeys(
        ("requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client"), _SERVICE
    ),
    **dict.fromkeys(
        ("bert_score", "bleurt", "comet", "moverscore", "moverscore_v2", "sentence_transformers"),
        _MODEL,
    ),
    "evaluate": _HUB,
    "datasets.load_metric": _HUB,
    "huggingface_hub": "asks the hub",
}
#: What of transformers is a model: ``AutoModel…``, ``pipeline``, ``BertModel``, ``…ForMaskedLM``.
_TRANSFORMERS_MODEL = re.compile(r"transformers\.(?:\w+\.)*(?:pipeline|\w*Model\w*|\w+For[A-Z]\w+)")
#: Metrics that a network computes, however their name is spelt and whatever follows it.
_NEURAL_METRIC = re.compile(r"(?:bertscore|bleurt|comet|bartscore|moverscore|sbert|gptscore)")
#: What of a task's configuration is called while scoring.
_FIELDS = ("process_results", "metric_list", "filter_list")
_HINT = "such tasks are not evaluated here: jobs have no network, and such a score is not repeated"


@dataclass(frozen=True, slots=True)
class _Hook:
    """A function or class of a task's own that takes part in scoring."""

    file: Path
    name: str


def refuse(tasks: Iterable[Any]) -> None:
    """Raise RefusedError that names the first of the loaded tasks that is not to be scored."""
    for task in tasks:
        why = _why_not(task.config, _class_hooks(task), loaded=task)
        if why:
            raise _refused(str(task.task_name), why)


def refuse_named(name: str, index: Mapping[str, Any]) -> None:
    """Do the same for a name of lm_eval's index, from its files alone.

    A task that cannot even be loaded without a network is refused with its reason here.
    """
    for told, config in _configs(name, index, set()):
        why = reason(config)
        if why:
            raise _refused(told, why)


def _configs(
    name: str, index: Mapping[str, Any], seen: set[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the configurations under a name: of tasks, and what groups put over them."""
    entry = index.get(name)
    if entry is None or name in seen:
        return
    seen.add(name)
    if entry.kind.name == "TAG":
        for member in sorted(entry.tags):
            yield from _configs(member, index, seen)
        return
    config = entry.cfg or {}
    yield name, config
    if entry.kind.name == "GROUP":
        yield from _configs_of_members(name, config.get("task"), index, seen)


def _configs_of_members(
    group: str, items: Any, index: Mapping[str, Any], seen: set[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for item in items if isinstance(items, list) else []:
        if isinstance(item, str):
            yield from _configs(item, index, seen)
        elif isinstance(item, dict):
            name = str(item.get("group") or item.get("task"))
            yield f"{group}: {name}", item
            yield from _configs(name, index, seen)
            yield from _configs_of_members(group, item.get("task"), index, seen)


def reason(config: Mapping[str, Any]) -> str | None:
    """Return why a task or group of an index is not to be scored, None for one that is."""
    classes = [hook for hook in [_hook_of_text(config.get("class"))] if hook]
    return _why_not(config, classes, loaded=None)


def _refused(task: str, why: str) -> RefusedError:
    return RefusedError(f"Task '{task}' {why}", hint=_HINT)


def _why_not(config: Any, classes: Iterable[_Hook], loaded: Any) -> str | None:
    field = functools.partial(_field, config)
    if field("unsafe_code") or getattr(loaded, "UNSAFE_CODE", False):
        return "runs code that the model writes"
    listed = field("metric_list")
    metrics = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    names = [_name_of(one.get("metric")) for one in metrics]
    neural = next(filter(_is_neural, names), None)
    if neural:
        return f"{_MODEL} while it scores: for the metric {neural}"
    # A group says nothing of its tasks' answers: of them it is known when they are loaded.
    if field("output_type") == "generate_until" and not field("process_results"):
        foreign = _foreign(metrics, loaded)
        if foreign:
            return f"{_HUB} while it scores: of the metric {foreign}"
    hooks = [hook for name in _FIELDS for hook in _hooks(field(name))]
    return next((why for hook in (*classes, *hooks) if (why := _call_of(hook))), None)


def _field(config: Any, name: str) -> Any:
    """Return a field of a configuration; lm_eval's own is a dict by type, not by content."""
    return config.get(name) if isinstance(config, dict) and config else getattr(config, name, None)


def _foreign(metrics: Iterable[Mapping[str, Any]], loaded: Any) -> str | None:
    """Return the metric that lm_eval calls and does not have itself.

    It calls one only where answers are generated and the task has no ``process_results``.
    """
    known = getattr(loaded, "_metric_fn_list", None)
    for one in metrics:
        name = one.get("metric")
        if isinstance(name, str) and not _hook_of_text(name):
            missing = isinstance(known, dict) and known.get(name) is None
            if one.get("hf_evaluate") is True or missing:
                return name
    return None


def _is_neural(name: str) -> bool:
    return _NEURAL_METRIC.match(re.sub(r"[^a-z]", "", name.lower())) is not None


def _name_of(metric: Any) -> str:
    if callable(metric):
        return str(getattr(metric, "__name__", type(metric).__name__))
    hook = _hook_of_text(metric)
    return hook.name if hook else str(metric)


def _call_of(hook: _Hook) -> str | None:
    """Return what a hook reaches that is not to be reached, in a reader's words."""
    for use in uses(hook.file, hook.name):
        why = _judged(use.name)
        if why:
            place = f"{use.file.parent.name}/{use.file.name}, line {use.line}"
            return f"{why} while it scores: {hook.name} uses {use.name} ({place})"
    return None


def _judged(dotted: str) -> str | None:
    if _TRANSFORMERS_MODEL.fullmatch(dotted):
        return _MODEL
    parts = dotted.split(".")
    names = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return next((_PACKAGES[name] for name in names if name in _PACKAGES), None)


def _hooks(value: Any) -> Iterator[_Hook]:
    """Yield the functions in a part of a configuration, wherever they stand in it."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _hooks(item)
    elif isinstance(value, str):
        found = _hook_of_text(value)
        if found:
            yield found
    elif callable(value):
        yield from _hooks_of_callable(value)


def _hook_of_text(value: Any) -> _Hook | None:
    """Return what an index writes for ``!function``: ``/folder/of/the/yaml/module.function``."""
    if not isinstance(value, str) or not value.startswith("/"):
        return None
    path = Path(value)
    *modules, name = path.name.split(".")
    file = path.parent.joinpath(*modules).with_suffix(".py") if modules else path
    return _Hook(file, name) if modules and file.is_file() else None


def _hooks_of_callable(value: Any) -> Iterator[_Hook]:
    if isinstance(value, functools.partial):
        yield from _hooks(list((value.func, *value.args, *value.keywords.values())))
        return
    target = inspect.unwrap(value)
    if not inspect.isclass(target) and not hasattr(target, "__code__"):
        target = getattr(target, "__func__", type(target))
    file = _source_of(target)
    if file:
        yield _Hook(Path(file), str(target.__qualname__).partition(".")[0])


def _source_of(target: Any) -> str | None:
    """Return the file of a function, or of a class with functions in it; None: built in."""
    parts = vars(target).values() if inspect.isclass(target) else [target]
    codes = (getattr(inspect.unwrap(part), "__code__", None) for part in parts if callable(part))
    return next((str(code.co_filename) for code in codes if code), None)


def _class_hooks(task: Any) -> list[_Hook]:
    """Return the task's own class and those under it, when it is a program of its own."""
    own = [kind for kind in type(task).__mro__ if not kind.__module__.startswith("lm_eval.api")]
    return [hook for kind in own if kind is not object for hook in _hooks_of_callable(kind)]
