"""How a request is worded, in English and in Chinese.

The plain vocabulary is worded as the demo words it, since its tiny model knows that: one way
for each thing, and places in two.  Otherwise there are several ways for all, with units.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from rdagent.suites.homebench.data.catalogue import ROBOT, Setting
from rdagent.suites.homebench.data.wishes import Wish
from rdagent.suites.homebench.data.words import (
    DEVICES,
    OPTIONS,
    QUALITIES,
    ROOMS,
    UNITS,
    VERBS,
    Language,
    Spoken,
    ways,
)

_PLACES = {
    "en": ("the {device} in the {room}", "the {room} {device}"),
    "zh": ("{room}的{device}", "{room}里的{device}"),
}
_SET = {
    "en": (
        "Set the {quality} of {place} to {value}",
        "Change the {quality} of {place} to {value}",
    ),
    "zh": ("把{place}的{quality}调到{value}", "将{place}的{quality}设为{value}"),
}
_MORE = {
    "en": (
        "Increase the {quality} of {place} by {value}",
        "Raise the {quality} of {place} by {value}",
    ),
    "zh": ("把{place}的{quality}调高{value}", "将{place}的{quality}提高{value}"),
}
_LESS = {
    "en": (
        "Decrease the {quality} of {place} by {value}",
        "Lower the {quality} of {place} by {value}",
    ),
    "zh": ("把{place}的{quality}调低{value}", "将{place}的{quality}降低{value}"),
}
_CLEAN = {
    "en": ("Let {place} clean the {value}", "Send {place} to the {value}"),
    "zh": ("让{place}打扫{value}", "用{place}清扫{value}"),
}


class Voice:
    """Someone who says wishes in one language."""

    def __init__(self, language: Language, *, varied: bool) -> None:
        self._language, self._varied = language, varied

    def say(self, rng: random.Random, wishes: Sequence[Wish]) -> str:
        """Say a whole request."""
        clauses = [self.clause(rng, wish) for wish in wishes]
        if self._language == "zh":
            *first, last = clauses
            return "，".join((*first, f"再{last}" if first else last)) + "。"
        rest = [clause[0].lower() + clause[1:] for clause in clauses[1:]]
        if len(rest) < 2:
            return " and ".join((clauses[0], *rest)) + "."
        return f"{', '.join((clauses[0], *rest[:-1]))}, and {rest[-1]}."

    def clause(self, rng: random.Random, wish: Wish) -> str:
        """Say one wish, without a full stop."""
        place, setting = self._place(rng, wish), wish.setting
        if setting is None:
            verb = self._one(rng, ways(VERBS, wish.method, self._language))
            return f"{verb} {place}" if self._language == "en" else f"{verb}{place}"
        forms = _SET if not wish.change else _MORE if wish.change > 0 else _LESS
        if setting.name == "area":
            forms = _CLEAN
        return self._one(rng, forms[self._language]).format(
            quality=self._name(rng, QUALITIES, setting.name),
            place=place,
            value=self._value(rng, wish, setting),
        )

    def _place(self, rng: random.Random, wish: Wish) -> str:
        device = self._name(rng, DEVICES, wish.kind.name)
        if wish.kind.name == ROBOT:
            return f"the {device}" if self._language == "en" else device
        form = rng.choice(_PLACES[self._language])
        return form.format(device=device, room=self._name(rng, ROOMS, wish.room))

    def _value(self, rng: random.Random, wish: Wish, setting: Setting) -> str:
        if setting.is_number:
            number = str(abs(wish.change)) if wish.change else wish.value
            with_unit = self._varied and setting.unit and rng.random() < 0.5
            return f"{number}{self._name(rng, UNITS, setting.unit)}" if with_unit else number
        if setting.name == "area":
            rooms = {name.replace("_", ""): name for name in ROOMS}
            return self._name(rng, ROOMS, rooms[wish.value])
        return self._name(rng, OPTIONS, wish.value)

    def _name(self, rng: random.Random, words: Mapping[str, Spoken], name: str) -> str:
        return self._one(rng, ways(words, name, self._language))

    def _one(self, rng: random.Random, ways_: Sequence[str]) -> str:
        return rng.choice(ways_) if self._varied else ways_[0]
