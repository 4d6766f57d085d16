"""What can be asked of a home, in vain or not: wishes drawn without contradicting each other.

A slot is one thing that can change, such as the brightness of the kitchen's light.  A
request never touches a slot twice, so no gold depends on the order of its parts.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rdagent.suites.homebench.data.catalogue import ROBOT, Kind, Setting, Vocabulary
from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.data.records import Operation
from rdagent.suites.homebench.scoring.operations import ERROR_INPUT

WishType = Literal["normal", "unexist_device", "unexist_attribute"]
WISH_TYPES: tuple[WishType, ...] = ("normal", "unexist_device", "unexist_attribute")


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing that can change, and the methods that would change it."""

    room: str
    kind: Kind
    quality: str
    methods: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What two parts of one request must not share."""
        return self.room, self.kind.name, self.quality


@dataclass(frozen=True, slots=True)
class Wish:
    """One part of a request."""

    type: WishType
    room: str
    kind: Kind
    method: str
    #: What the call says in its brackets; nothing for a switch.
    value: str = ""
    #: By how much, where the request says that instead of the value.
    change: int = 0

    @property
    def setting(self) -> Setting | None:
        """What is set; None for a switch."""
        return self.kind.methods[self.method]

    @property
    def gold(self) -> str:
        """The call, or ``error_input`` when the home cannot do it."""
        if self.type != "normal":
            return ERROR_INPUT
        return Operation(self.room, self.kind.name, self.method, self.value).text


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything that can be asked of one home."""

    home: Home
    #: How often a number is changed by so much, instead of set.
    relative: float
    slots: dict[WishType, tuple[Slot, ...]] = field(repr=False)

    @classmethod
    def of(cls, home: Home, vocabulary: Vocabulary, relative: float) -> Wishes:
        """Look through a home for what it has and what it lacks."""
        slots: dict[WishType, list[Slot]] = {type_: [] for type_ in WISH_TYPES}
        for room in home.rooms:
            for kind in vocabulary.kinds_for(room.name):
                if room.device(kind.name) is None:
                    slots["unexist_device"] += _slots(room.name, kind, kind.methods)
                    continue
                offered = set(home.operations_of(room.name, kind.name))
                slots["normal"] += _slots(room.name, kind, offered)
                slots["unexist_attribute"] += _slots(room.name, kind, kind.methods.keys() - offered)
        if any(kind.name == ROBOT for kind in vocabulary.kinds) and home.room(ROBOT) is None:
            robot = vocabulary.kind(ROBOT)
            slots["unexist_device"] += _slots(ROBOT, robot, robot.methods)
        return cls(home, relative, {type_: tuple(found) for type_, found in slots.items()})

    def draw(self, rng: random.Random, types: Sequence[WishType]) -> list[Wish] | None:
        """Draw a wish of each type in turn; None when the home has not enough to ask for."""
        used: set[tuple[str, str, str]] = set()
        wishes = []
        for type_ in types:
            free = [slot for slot in self.slots[type_] if slot.key not in used]
            if not free:
                return None
            slot = _even_choice(rng, free)
            used.add(slot.key)
            wishes.append(self._wish(rng, type_, slot))
        return wishes

    def most(self, type_: WishType) -> int:
        """Return how many parts of one type a request can have."""
        return len(self.slots[type_])

    def _wish(self, rng: random.Random, type_: WishType, slot: Slot) -> Wish:
        method = rng.choice(slot.methods)
        bare = Wish(type_, slot.room, slot.kind, method)
        setting = bare.setting
        if setting is None:
            return bare
        if setting.is_number and rng.random() < self.relative:
            value, change = self._change(rng, slot, setting)
            return Wish(type_, slot.room, slot.kind, method, str(value), change)
        return Wish(type_, slot.room, slot.kind, method, self._value(rng, setting))

    def _value(self, rng: random.Random, setting: Setting) -> str:
        if setting.is_number:
            return str(rng.choice(range(setting.lowest, setting.highest + 1, setting.step)))
        rooms = [room.name.replace("_", "") for room in self.home.rooms if not room.is_device]
        return rng.choice(setting.options or rooms)

    def _change(self, rng: random.Random, slot: Slot, setting: Setting) -> tuple[int, int]:
        """Return a new value and how far it is from the one that is shown, if one is."""
        room = self.home.room(slot.room)
        device = room.device(slot.kind.name) if room else None
        shown = device.attribute(setting.name) if device else None
        if shown is None or not isinstance(shown.value, int):
            return 0, rng.choice((-1, 1)) * rng.randint(1, (setting.highest - setting.lowest) // 2)
        others = [v for v in range(setting.lowest, setting.highest + 1) if v != shown.value]
        value = rng.choice(others)
        return value, value - shown.value


def _slots(room: str, kind: Kind, methods: Iterable[str]) -> list[Slot]:
    """Return the slots that ``methods`` of a device change; its switches change one together."""
    given = set(methods)
    switches = tuple(method for method in kind.switches if method in given)
    found = [Slot(room, kind, "switch", switches)] if switches else []
    return found + [
        Slot(room, kind, setting.name, (setting.method,))
        for setting in kind.settings
        if setting.method in given
    ]


def _even_choice(rng: random.Random, slots: Sequence[Slot]) -> Slot:
    """Choose a device first, then what of it: devices with many settings are not asked more."""
    devices = sorted({(slot.room, slot.kind.name) for slot in slots})
    room, name = rng.choice(devices)
    return rng.choice([slot for slot in slots if (slot.room, slot.kind.name) == (room, name)])
