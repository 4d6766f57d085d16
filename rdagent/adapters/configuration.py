"""Read ``adapter_config.json``: what peft would make of it, and what it would stumble over."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.adapters.files import CONFIG_FILE
from rdagent.adapters.header import Unreadable, read_small
from rdagent.adapters.problems import Problem, problem, some
from rdagent.errors import ResultError
from rdagent.files import untrusted

_LIMIT = 16 << 20
_PATTERN_LIMIT = 2000
#: The peft of the evaluation image.
PEFT_VERSION = (0, 21, 2)
#: The fields of that peft's LoraConfig.
FIELDS = frozenset(
    {
        "task_type",
        "peft_type",
        "auto_mapping",
        "peft_version",
        "base_model_name_or_path",
        "revision",
        "inference_mode",
        "r",
        "target_modules",
        "exclude_modules",
        "lora_alpha",
        "lora_dropout",
        "fan_in_fan_out",
        "bias",
        "use_rslora",
        "modules_to_save",
        "init_lora_weights",
        "layers_to_transform",
        "layers_pattern",
        "rank_pattern",
        "alpha_pattern",
        "megatron_config",
        "megatron_core",
        "trainable_token_indices",
        "loftq_config",
        "eva_config",
        "corda_config",
        "lora_ga_config",
        "use_dora",
        "velora_config",
        "alora_invocation_tokens",
        "use_qalora",
        "qalora_group_size",
        "monteclora_config",
        "layer_replication",
        "runtime_config",
        "lora_bias",
        "target_parameters",
        "use_bdlora",
        "arrow_config",
        "kasa_config",
        "ensure_weight_tying",
    }
)
#: Fields that tools or older versions of peft write and that change nothing.
_HARMLESS = frozenset(
    {"enable_lora", "merge_weights", "lora_ema", "target_modules_type", "unsloth_fixed"}
)
_OTHER_TASKS = ("SEQ_CLS", "SEQ_2_SEQ_LM", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")


@dataclass(frozen=True, slots=True)
class LoraConfiguration:
    """The fields that the other checks need; ``raw`` is the whole document."""

    rank: int
    alpha: float
    #: None: only parameters are targeted.
    targets: tuple[str, ...] | str | None
    excluded: tuple[str, ...] | str | None
    rank_pattern: Mapping[str, int]
    alpha_pattern: Mapping[str, float]
    saved_modules: tuple[str, ...]
    base_model: str | None
    raw: Mapping[str, Any]

    def has(self, field: str) -> bool:
        """Tell whether a field is set to something."""
        return bool(self.raw.get(field))

    def rank_of(self, module: str) -> int:
        """Return the rank that peft gives a module."""
        return next((r for key, r in self.rank_pattern.items() if _matches(key, module)), self.rank)

    def scale_of(self, module: str) -> float:
        """Return what the product of a module's matrices is multiplied by."""
        alphas = self.alpha_pattern.items()
        alpha = next((a for key, a in alphas if _matches(key, module)), self.alpha)
        rank = self.rank_of(module)
        return alpha / (math.sqrt(rank) if self.has("use_rslora") else rank)

    @property
    def highest_rank(self) -> int:
        """The largest rank that a module has."""
        return max(self.rank, *self.rank_pattern.values(), 1)


def _matches(key: str, module: str) -> bool:
    return re.match(rf"(.*\.)?({key})$", module) is not None


def read_configuration(folder: Path) -> tuple[LoraConfiguration | None, tuple[Problem, ...]]:
    """Return the configuration, None when an error stands in its way, and what is to be said."""
    try:
        content = read_small(folder / CONFIG_FILE, _LIMIT)
        document = untrusted.parse_json(content, CONFIG_FILE) if content.strip() else None
    except Unreadable as error:
        return None, (error.problem,)
    except ResultError as error:
        return None, (problem("config_invalid", error.message),)
    if document is None and not content.strip():
        return None, (problem("file_empty", f"{CONFIG_FILE} is empty"),)
    if not isinstance(document, dict):
        return None, (problem("config_invalid", f"{CONFIG_FILE} is not a JSON object"),)
    problems = tuple(_problems(document))
    if any(found.severity == "error" for found in problems):
        return None, problems
    return _configuration(document), problems


def _problems(document: Mapping[str, Any]) -> Iterator[Problem]:
    kind = document.get("peft_type")
    if "peft_type" not in document:
        if {"model_type", "architectures"} & document.keys():
            yield problem("config_invalid", f"{CONFIG_FILE} is a model's configuration")
        else:
            yield problem("field_missing", f"{CONFIG_FILE} has no peft_type")
        return
    if kind != "LORA":
        yield problem("peft_type_unsupported", f"peft_type is {kind!r:.80}, not 'LORA'")
        return
    yield from _rank_and_alpha(document)
    yield from _targets(document)
    for field in ("rank_pattern", "alpha_pattern"):
        yield from _pattern(field, document.get(field))
    yield from _other_fields(document)
    yield from _task(document)
    yield from _versions(document)


def _rank_and_alpha(document: Mapping[str, Any]) -> Iterator[Problem]:
    for field, code, wanted in (
        ("r", "rank_invalid", _is_rank),
        ("lora_alpha", "alpha_invalid", _is_scale),
    ):
        if field not in document:
            yield problem("field_missing", f"{CONFIG_FILE} has no {field}")
        elif not wanted(document[field]):
            yield problem(code, f"{field} is {document[field]!r:.80}, not a positive number")


def _is_rank(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 1 << 20


def _is_scale(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value < 1e30


def _targets(document: Mapping[str, Any]) -> Iterator[Problem]:
    value = document.get("target_modules")
    if value is None and document.get("target_parameters"):
        return
    if value is None:
        yield problem("field_missing", f"{CONFIG_FILE} has no target_modules")
    elif isinstance(value, str):
        if not value or not _is_pattern(value):
            yield problem("target_modules_invalid", f"target_modules is {value!r:.80}, no pattern")
    elif not _is_names(value) or not value:
        yield problem("target_modules_invalid", f"target_modules is {value!r:.80}")


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def _is_pattern(text: str) -> bool:
    if len(text) > _PATTERN_LIMIT or _runs_away(text):
        return False
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _runs_away(text: str) -> bool:
    """Tell whether a pattern repeats a group that repeats or chooses: it could take for ever."""
    groups, in_class, place = [False], False, 0
    while place < len(text):
        sign, place = text[place], place + 1
        if sign == "\\":
            place += 1
        elif in_class:
            in_class = sign != "]"
        elif sign == "[":
            in_class = True
        elif sign == "(":
            groups.append(False)
        elif sign == ")" and len(groups) > 1:
            inner = groups.pop()
            if inner and text[place : place + 1] in ("*", "+", "{"):
                return True
            groups[-1] |= inner
        elif sign in "*+{|":
            groups[-1] = True
    return False


def _pattern(field: str, value: Any) -> Iterator[Problem]:
    if value is None:
        return
    if not isinstance(value, dict):
        yield problem("pattern_invalid", f"{field} is {value!r:.80}, not an object")
        return
    wanted = _is_rank if field == "rank_pattern" else _is_scale
    wrong = [f"{key}: {item!r:.40}" for key, item in value.items() if not wanted(item)]
    wrong += [key for key in value if not _is_pattern(key)]
    if wrong:
        yield problem("pattern_invalid", f"{field} holds what cannot be: {some(wrong)}")


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_names_or_text(value: Any) -> bool:
    return isinstance(value, str) or _is_names(value)


def _is_tokens(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_tokens(item) for item in value.values())
    return isinstance(value, list) and all(isinstance(n, int) and n >= 0 for n in value)


def _is_layers(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in values)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


#: What each field may hold; null is allowed in all of them but ``bias``.
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        ("use_dora", "use_rslora", "fan_in_fan_out", "lora_bias", "use_qalora", "inference_mode",
         "ensure_weight_tying"), _or_none(_is_flag)),
    **dict.fromkeys(
        ("base_model_name_or_path", "revision", "peft_version", "task_type"), _or_none(_is_text)),
    **dict.fromkeys(("modules_to_save", "target_parameters"), _or_none(_is_names)),
    **dict.fromkeys(("exclude_modules", "layers_pattern"), _or_none(_is_names_or_text)),
    **dict.fromkeys(("trainable_token_indices", "alora_invocation_tokens"), _or_none(_is_tokens)),
    "layers_to_transform": _or_none(_is_layers),
    "lora_dropout": _or_none(_is_share),
    "layer_replication": _or_none(lambda value: isinstance(value, list)),
    "init_lora_weights": _or_none(lambda value: isinstance(value, bool | str)),
    "bias": lambda value: value in ("none", "all", "lora_only"),
}  # fmt: skip


def _other_fields(document: Mapping[str, Any]) -> Iterator[Problem]:
    wrong = [
        f"{field}={document[field]!r:.60}"
        for field, fits in _TYPES.items()
        if field in document and not fits(document[field])
    ]
    if wrong:
        yield problem("field_invalid", f"{CONFIG_FILE} sets {some(wrong)}")
    for field in ("exclude_modules", "layers_pattern"):
        value = document.get(field)
        if isinstance(value, str) and not _is_pattern(value):
            yield problem("field_invalid", f"{field} is no pattern: {value!r:.80}")
    unknown = sorted(document.keys() - FIELDS - _HARMLESS)
    if unknown:
        yield problem("field_unknown", f"peft does not know {some(unknown)}")


def _task(document: Mapping[str, Any]) -> Iterator[Problem]:
    task = document.get("task_type")
    if task in _OTHER_TASKS or (isinstance(task, str) and task not in ("", "CAUSAL_LM")):
        yield problem("task_type_unsupported", f"task_type is {task!r:.80}, not 'CAUSAL_LM'")
    elif not task:
        yield problem("task_type_missing", f"{CONFIG_FILE} names no task_type")


def _versions(document: Mapping[str, Any]) -> Iterator[Problem]:
    text = document.get("peft_version")
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text) if isinstance(text, str) else None
    if match and tuple(int(part or 0) for part in match.groups()) > PEFT_VERSION:
        ours = ".".join(map(str, PEFT_VERSION))
        yield problem("peft_newer", f"peft {text} wrote the adapter; the evaluation has {ours}")


def _configuration(document: Mapping[str, Any]) -> LoraConfiguration:
    base = document.get("base_model_name_or_path")
    return LoraConfiguration(
        rank=document["r"],
        alpha=float(document["lora_alpha"]),
        targets=_listed(document.get("target_modules")),
        excluded=_listed(document.get("exclude_modules")),
        rank_pattern=document.get("rank_pattern") or {},
        alpha_pattern=document.get("alpha_pattern") or {},
        saved_modules=tuple(document.get("modules_to_save") or ()),
        base_model=base or None,
        raw=document,
    )


def _listed(value: Any) -> tuple[str, ...] | str | None:
    return tuple(value) if isinstance(value, list) else value
