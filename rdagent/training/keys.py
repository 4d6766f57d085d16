"""What LLaMA-Factory's argument classes take: keys, kinds of value, choices, templates.

``known_keys.json`` is made from the installed version by ``inside.train.list_keys``; a
test holds the two together.  Refused here is only what LLaMA-Factory could not use:
what it would merely ignore is a note.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rdagent.errors import UsageError

LIST_FILE = Path(__file__).with_name("known_keys.json")
_NUMBERS = frozenset(("int", "float"))
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")
#: Numbers that every training computes with: as text they end it, later.
_COMPUTED_WITH = frozenset(
    """
    cutoff_len gradient_accumulation_steps learning_rate logging_steps lora_alpha lora_dropout
    lora_rank max_grad_norm max_samples max_steps num_train_epochs per_device_train_batch_size
    save_steps save_total_limit seed val_size warmup_ratio warmup_steps weight_decay
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One key: the kinds of value it takes, and the values where they are a closed list."""

    kinds: frozenset[str]
    choices: tuple[str, ...] = ()
    #: Whether LLaMA-Factory ends with an error at any other value.
    enforced: bool = False


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """The list, and which versions it was made from."""

    keys: Mapping[str, KnownKey]
    llamafactory: str
    transformers: str
    dataset_fields: Mapping[str, Any]

    @property
    def of(self) -> str:
        """What the list describes, for messages."""
        return f"LLaMA-Factory {self.llamafactory}"


@lru_cache(maxsize=1)
def known_keys() -> KnownKeys:
    """Return the committed list."""
    document = json.loads(LIST_FILE.read_text("utf-8"))
    keys = {
        name: KnownKey(
            frozenset(entry["kinds"]),
            tuple(entry.get("choices", ())),
            bool(entry.get("enforced", False)),
        )
        for name, entry in document["keys"].items()
    }
    versions = document["versions"]
    return KnownKeys(
        keys, versions["llamafactory"], versions["transformers"], document["dataset_fields"]
    )


def check_keys(values: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Refuse unknown keys and values that cannot be; returns notes on what is doubtful."""
    _refuse_unknown(values, path)
    notes = []
    for name, value in values.items():
        key = known_keys().keys[name]
        for problem in _problems(name, value, key):
            raise UsageError(f"{path}: {problem.what}", hint=problem.do)
        if key.choices and isinstance(value, str) and value not in key.choices and value:
            notes.append(f"{name} is {value!r}: {_listed(name, value, key)}")
    return tuple(notes)


def _refuse_unknown(values: Mapping[str, Any], path: Path) -> None:
    known = known_keys()
    unknown = [key for key in values if key not in known.keys]
    if not unknown:
        return
    hints = [f"Did you mean {near} instead of {key}?" for key in unknown if (near := _near(key))]
    raise UsageError(
        f"{path}: {known.of} does not know the key {', '.join(unknown)}",
        hint=" ".join(hints) or "Remove it.",
    )


def _near(key: str) -> str:
    # A key with dashes or capitals is the same name to its writer.
    plain = key.strip().lower().replace("-", "_").replace(" ", "_")
    return " or ".join(near_names(plain, known_keys().keys, 2))


def near_names(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Return the names that are most like ``name``; the name itself, if it is one, alone."""
    found = list(names)
    return [name] if name in found else difflib.get_close_matches(name, found, n=count)


@dataclass(frozen=True, slots=True)
class _Problem:
    what: str
    do: str


def _problems(name: str, value: Any, key: KnownKey) -> Iterator[_Problem]:
    if key.choices and key.enforced:
        yield from _wrong_choice(name, value, key)
    elif "bool" in key.kinds and "str" not in key.kinds:
        yield from _wrong_flag(name, value)
    elif key.kinds & _NUMBERS and not key.kinds & {"str", "list", "dict"}:
        yield from _wrong_number(name, value)


def _wrong_choice(name: str, value: Any, key: KnownKey) -> Iterator[_Problem]:
    if value is False and "no" in key.choices:
        yield _Problem(
            f"{name} is the word no, which YAML reads as false", f'Write {name}: "no" in quotes.'
        )
    elif value is not None and value not in key.choices:
        yield _Problem(
            f"{name} is {value!r}, which {known_keys().of} does not know",
            _listed(name, str(value), key),
        )


def _listed(name: str, value: str, key: KnownKey) -> str:
    near = near_names(value.lower(), key.choices)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    more = f" and {len(key.choices) - 12} more" if len(key.choices) > 12 else ""
    return f"Known for {name}: {', '.join(key.choices[:12])}{more}."


def _wrong_flag(name: str, value: Any) -> Iterator[_Problem]:
    if isinstance(value, list | dict):
        yield _Problem(f"{name} is {value!r}, not true or false", f"Write {name}: true or false.")
    elif isinstance(value, str) and value.strip().lower() not in _TRUE:
        wanted = "false" if value.strip().lower() in _FALSE else "true or false"
        yield _Problem(
            f"{name} is the text {value!r}, which LLaMA-Factory takes for true",
            f"Write {name}: {wanted}, without quotes.",
        )


def _wrong_number(name: str, value: Any) -> Iterator[_Problem]:
    if isinstance(value, list | dict):
        yield _Problem(f"{name} is {value!r}, not a number", f"Write one number as {name}.")
    elif isinstance(value, str):
        if not _reads_as_number(value):
            yield _Problem(f"{name} is {value!r}, not a number", f"Write a number as {name}.")
        elif name in _COMPUTED_WITH:
            yield _Problem(
                f"{name} is the text {value!r}, and a number is needed",
                f"Write {name}: {value}, without quotes.",
            )


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
