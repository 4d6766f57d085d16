"""What two evaluations were run with as a whole: prompts' layout, seeds, limits, versions.

The engine is ``engine_settings``', single tasks are ``task_settings``'.  Used by ``guard``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rdagent.comparison.arguments import parse_arguments
from rdagent.comparison.engine_settings import engine_differences
from rdagent.comparison.report import Finding, Level
from rdagent.comparison.rows import text_hash
from rdagent.comparison.setting import Reader, Setting, at_top, both, difference, in_config, shown
from rdagent.comparison.sides import Side
from rdagent.files import untrusted

_SYSTEMS = "this compares systems, not models alone"


def run_differences(base: Side, candidate: Side) -> Iterator[Finding]:
    """Yield what differs in how the two were evaluated."""
    one, other = base.document, candidate.document
    if not (_has_settings(one) and _has_settings(other)):
        yield _without_settings(one, other)
        return
    yield from engine_differences(one, other)
    for setting in _SETTINGS:
        yield from difference(setting, one, other)
    shots = _shots(base) | _shots(candidate)
    yield from difference(_multiturn(one, other, shots), one, other)
    seed_level: Level = "INFO" if shots == {0} else "WARN"
    read, says = in_config("fewshot_seed"), "examples are drawn with it"
    yield from difference(Setting("fewshot_seed", seed_level, read, says), one, other)
    yield from _limit(base, candidate)
    yield from _same_cache(one, other)


def _has_settings(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("config"), dict)


def _without_settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> Finding:
    told = ["known" if _has_settings(document) else "not known" for document in (one, other)]
    says = "there are results without settings: whether both ran alike cannot be checked"
    return Finding("INFO", "settings", told[0], told[1], says=says)


def _hashed(name: str) -> Reader:
    """Return a reader of a text that lm_eval also writes the hash of; null means none is used."""

    def read(document: Mapping[str, Any]) -> str | None:
        told = document.get(f"{name}_sha")
        if isinstance(told, str) and told:
            return told[:16]
        text = document.get(name)
        if isinstance(text, str) and text:
            return text_hash(text)[:16]
        return "none" if name in document or f"{name}_sha" in document else None

    return read


def _flag_of(document: Mapping[str, Any]) -> str | None:
    value = document.get("fewshot_as_multiturn")
    return None if value is None else shown(bool(value))


def _gen_kwargs(document: Mapping[str, Any]) -> str:
    told = parse_arguments(document["config"].get("gen_kwargs"))
    return shown(dict(told)) if told else "none"


_TEMPLATE = f"prompts are laid out by another template: {_SYSTEMS}"
_SYSTEM = f"prompts begin with another system prompt: {_SYSTEMS}"
_SETTINGS = (
    Setting("chat_template", "WARN", _hashed("chat_template"), _TEMPLATE),
    Setting("system_instruction", "WARN", _hashed("system_instruction"), _SYSTEM),
    Setting("gen_kwargs", "WARN", _gen_kwargs, "answers are generated in another way"),
    Setting("batch_size", "INFO", in_config("batch_size"), "may change the last digits"),
    Setting("device", "INFO", in_config("device")),
    Setting("random_seed", "INFO", in_config("random_seed")),
    Setting("numpy_seed", "INFO", in_config("numpy_seed")),
    Setting("torch_seed", "INFO", in_config("torch_seed")),
    Setting("bootstrap_iters", "INFO", in_config("bootstrap_iters")),
    Setting("lm_eval_version", "INFO", at_top("lm_eval_version")),
    Setting("transformers_version", "INFO", at_top("transformers_version")),
    Setting("git_hash", "INFO", at_top("git_hash")),
)


def _shots(side: Side) -> set[int | None]:
    return {task.n_shot for task in side.results.tasks.values()}


def _multiturn(one: Mapping[str, Any], other: Mapping[str, Any], shots: set[int | None]) -> Setting:
    """Return the setting at the level that it matters: without a template it changes nothing."""
    templates = {_hashed("chat_template")(document) for document in (one, other)}
    level: Level = "INFO" if templates == {"none"} and shots == {0} else "WARN"
    return Setting("fewshot_as_multiturn", level, _flag_of, f"examples stand as turns: {_SYSTEMS}")


def _limit(base: Side, candidate: Side) -> Iterator[Finding]:
    """Compare the limits; of no weight when all the same they left equally many documents."""
    limits = [_limit_said(side.document["config"].get("limit")) for side in (base, candidate)]
    if limits[0] == limits[1]:
        return
    counts = [
        (task.n_effective, other.n_effective)
        for name, task in base.results.tasks.items()
        if (other := candidate.results.tasks.get(name))
    ]
    alike = all(one is not None and one == other for one, other in counts) and bool(counts)
    level: Level = "INFO" if alike else "WARN"
    says = "equally many documents all the same" if alike else "other documents were asked"
    yield Finding(level, "limit", limits[0], limits[1], says=says)


def _limit_said(value: Any) -> str:
    number = untrusted.finite_number(value)
    return "none" if number is None else f"{number:g}"


def _same_cache(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Finding]:
    paths = both(in_config("use_cache"), one, other)
    if paths[0] is not None and paths[0] == paths[1]:
        says = (
            "both used one cache of answers, whose keys do not name the model: the second"
            " may have been given the first one's answers"
        )
        yield Finding("WARN", "use_cache", *paths, says=says)
