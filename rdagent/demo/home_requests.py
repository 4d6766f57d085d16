"""What people ask of a home: sentences, and the machine instruction each one needs.

A request that names a device or a method which the home lacks has no call;
HomeBench calls the two cases ``unexist_device`` and ``unexist_attribute``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from rdagent.demo.homes import (
    KIND_BY_NAME,
    KINDS,
    DeviceKind,
    Record,
    devices_of,
    methods_of,
    spoken,
)

RequestType = Literal["normal", "unexist_device", "unexist_attribute"]

_SWITCH_WORDS = {
    "turn_on": ("Turn on", "Switch on"),
    "turn_off": ("Turn off", "Switch off"),
    "open": ("Open",),
    "close": ("Close",),
    "play": ("Play",),
    "pause": ("Pause",),
    "pack": ("Pack",),
}
_PLACES = ("the {device} in the {room}", "the {room} {device}")


@dataclass(frozen=True, slots=True)
class Request:
    """One thing that is asked of a home."""

    sentence: str
    room: str
    device: str
    operation: str
    value: str
    type: RequestType

    @property
    def call(self) -> str | None:
        """The machine instruction, or None when the home lacks the device or the method."""
        if self.type != "normal":
            return None
        return f"{self.room}.{self.device}.{self.operation}({self.value})"


@dataclass(frozen=True, slots=True)
class _Wish:
    room: str
    kind: DeviceKind
    operation: str


def make_request(rng: random.Random, home: Record, request_type: RequestType) -> Request:
    """Draw one request of a type; of an unknown device if no device here lacks a method."""
    wish = _draw_wish(rng, home, request_type)
    if wish is None:
        return make_request(rng, home, "unexist_device")
    value = ""
    if wish.operation.startswith("set_") and wish.kind.dial:
        value = str(rng.randint(wish.kind.dial.lowest, wish.kind.dial.highest))
    sentence = _sentence(rng, wish, value)
    return Request(sentence, wish.room, wish.kind.name, wish.operation, value, request_type)


def _draw_wish(rng: random.Random, home: Record, request_type: RequestType) -> _Wish | None:
    present = [
        (room, KIND_BY_NAME[name]) for room, names in devices_of(home).items() for name in names
    ]
    if request_type == "normal":
        room, kind = rng.choice(present)
        return _Wish(room, kind, rng.choice(methods_of(home, room, kind.name)))
    if request_type == "unexist_device":
        room = rng.choice(list(devices_of(home)))
        kind = rng.choice([k for k in KINDS if k.name not in devices_of(home)[room]])
        return _Wish(room, kind, rng.choice(kind.methods))
    lacking = [
        _Wish(room, kind, operation)
        for room, kind in present
        for operation in kind.methods
        if operation not in methods_of(home, room, kind.name)
    ]
    return rng.choice(lacking) if lacking else None


def _sentence(rng: random.Random, wish: _Wish, value: str) -> str:
    room, device = spoken(wish.room), spoken(wish.kind.name)
    place = rng.choice(_PLACES).format(device=device, room=room)
    if value:
        quality = wish.operation.removeprefix("set_")
        return f"Set the {quality} of {place} to {value}."
    return f"{rng.choice(_SWITCH_WORDS[wish.operation])} {place}."
