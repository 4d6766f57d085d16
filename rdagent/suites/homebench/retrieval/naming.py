"""Which rooms and devices of a home a text names, by every word that people have for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.words import DEVICES, ROOMS, Spoken

_TABLES: Mapping[str, Mapping[str, Spoken]] = {
    # A device without a room is a room of its own.
    "room": {**DEVICES, **ROOMS},
    "device": DEVICES,
}
_NEVER = r"(?!)"
_GAP = re.compile(r"[ -]+")


def named_rooms(text: str, home: Home) -> tuple[str, ...]:
    """Return the rooms of the home that a text names, in the order of the text."""
    return _named(text, home.room_names, "room")


def named_devices(text: str, home: Home) -> tuple[str, ...]:
    """Return the names of devices, of those in the home, that a text names."""
    names = dict.fromkeys(device.name for room in home.rooms for device in room.devices)
    return _named(text, tuple(names), "device")


def _named(text: str, names: tuple[str, ...], what: Literal["room", "device"]) -> tuple[str, ...]:
    pattern, meant = _pattern(names, what)
    found = (_GAP.sub(" ", match[0]) for match in pattern.finditer(text.lower()))
    return tuple(dict.fromkeys(meant[word] for word in found))


@lru_cache(maxsize=4096)
def _pattern(
    names: tuple[str, ...], what: Literal["room", "device"]
) -> tuple[re.Pattern[str], Mapping[str, str]]:
    """Return what matches any word for any of the names, and what each word means."""
    meant = {word: name for name in names for word in _words(_TABLES[what], name)}
    longest_first = sorted(meant, key=lambda word: (-len(word), word))
    english = "|".join(_as_pattern(word) for word in longest_first if word.isascii())
    chinese = "|".join(re.escape(word) for word in longest_first if not word.isascii())
    # English words stand alone, with an "s" or not; Chinese ones stand anywhere.
    alone = rf"(?<![a-z0-9])(?:{english or _NEVER})(?=(?:'?s)?(?![a-z0-9]))"
    return re.compile(f"{alone}|{chinese or _NEVER}"), meant


def _words(table: Mapping[str, Spoken], name: str) -> Iterable[str]:
    said = table[name].all if name in table else ()
    return {_GAP.sub(" ", word.lower()) for word in (*said, name, name.replace("_", " "))}


def _as_pattern(word: str) -> str:
    return "[ -]+".join(map(re.escape, word.split(" ")))
