"""Made-up homes in HomeBench's record format, and how one is shown to a model.

A home record has ``home_id``, ``home_status`` (room -> device -> state and
attributes) and ``method`` (what may be called).  ``task.py`` asks for things in
such homes; ``mixture.py`` pre-trains on looking things up in them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]

ROOMS = (
    "master_bedroom",
    "guest_bedroom",
    "living_room",
    "dining_room",
    "study_room",
    "kitchen",
    "bathroom",
    "foyer",
    "corridor",
    "balcony",
    "garage",
    "store_room",
)

STATES = ("on", "off")
OPENINGS = ("open", "closed")


@dataclass(frozen=True, slots=True)
class Dial:
    """A numeric attribute and the method that sets it."""

    name: str
    lowest: int
    highest: int


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """What every device of one name has: two switch methods at most and a dial."""

    name: str
    states: tuple[str, ...]
    switches: tuple[str, ...]
    dial: Dial | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """Every operation that a device of this kind can have."""
        return (*self.switches, f"set_{self.dial.name}") if self.dial else self.switches


KINDS = (
    DeviceKind("light", STATES, ("turn_on", "turn_off"), Dial("brightness", 0, 100)),
    DeviceKind("fan", STATES, ("turn_on", "turn_off"), Dial("speed", 1, 9)),
    DeviceKind("heating", STATES, ("turn_on", "turn_off"), Dial("temperature", 16, 30)),
    DeviceKind("air_conditioner", STATES, ("turn_on", "turn_off"), Dial("temperature", 16, 30)),
    DeviceKind("humidifier", STATES, ("turn_on", "turn_off"), Dial("intensity", 0, 100)),
    DeviceKind("dehumidifiers", STATES, ("turn_on", "turn_off"), Dial("intensity", 0, 100)),
    DeviceKind("aromatherapy", STATES, ("turn_on", "turn_off"), Dial("interval", 0, 60)),
    DeviceKind("air_purifiers", STATES, ("turn_on", "turn_off")),
    DeviceKind("water_heater", STATES, ("turn_on", "turn_off"), Dial("temperature", 30, 75)),
    DeviceKind("curtain", OPENINGS, ("open", "close"), Dial("degree", 0, 100)),
    DeviceKind("blinds", OPENINGS, ("open", "close"), Dial("degree", 0, 100)),
    DeviceKind("garage_door", OPENINGS, ("open", "close")),
    DeviceKind("media_player", ("play", "pause"), ("play", "pause"), Dial("volume", 0, 100)),
    DeviceKind("trash", ("full", "empty"), ("pack",)),
)
KIND_BY_NAME = {kind.name: kind for kind in KINDS}

#: A device lacks one of its usual methods this often, so that requests for it are invalid.
MISSING_METHOD_RATE = 0.35


@dataclass(frozen=True, slots=True)
class HomeSize:
    """How many rooms a home has, and how many devices each of them."""

    rooms: tuple[int, int]
    devices: tuple[int, int]


SMALL = HomeSize(rooms=(2, 2), devices=(1, 2))


def make_home(rng: random.Random, home_id: int, size: HomeSize = SMALL) -> Record:
    """Draw one home; equal generator state gives an equal home."""
    status: dict[str, Record] = {}
    methods: list[Record] = []
    for room in rng.sample(ROOMS, rng.randint(*size.rooms)):
        status[room] = {"room_name": room}
        for kind in rng.sample(KINDS, rng.randint(*size.devices)):
            offered = _offered_methods(rng, kind)
            status[room][kind.name] = _device_status(rng, kind)
            methods += [_method_record(room, kind, operation) for operation in offered]
    return {"home_id": home_id, "method": methods, "home_status": status}


def _offered_methods(rng: random.Random, kind: DeviceKind) -> list[str]:
    offered = list(kind.methods)
    if len(offered) > 1 and rng.random() < MISSING_METHOD_RATE:
        offered.remove(rng.choice(offered))
    return offered


def _device_status(rng: random.Random, kind: DeviceKind) -> Record:
    attributes: Record = {}
    if kind.dial:
        dial = kind.dial
        value = rng.randint(dial.lowest, dial.highest)
        attributes[dial.name] = {"value": value, "lowest": dial.lowest, "highest": dial.highest}
    return {"state": rng.choice(kind.states), "attributes": attributes}


def _method_record(room: str, kind: DeviceKind, operation: str) -> Record:
    parameters = []
    if operation.startswith("set_"):
        parameters.append({"name": operation.removeprefix("set_"), "type": "int"})
    return {
        "room_name": room,
        "device_name": kind.name,
        "operation": operation,
        "parameters": parameters,
    }


def devices_of(home: Record) -> dict[str, list[str]]:
    """Return room -> names of the devices in it, in the order of the record."""
    return {
        room: [name for name in content if name != "room_name"]
        for room, content in home["home_status"].items()
    }


def methods_of(home: Record, room: str, device: str) -> list[str]:
    """Return the operations that the home offers for one device of one room."""
    return [
        method["operation"]
        for method in home["method"]
        if method["room_name"] == room and method["device_name"] == device
    ]


def render_home(home: Record) -> str:
    """Show a home as HomeBench does: a block of status, a block of methods."""
    lines = ["<home_state>"]
    for room, content in home["home_status"].items():
        lines.append(f"{room}:")
        for name in devices_of(home)[room]:
            lines += _status_lines(name, content[name])
    lines += ["</home_state>", "<device_method>"]
    lines.append("".join(_method_text(method) for method in home["method"]))
    lines.append("</device_method>")
    return "\n".join(lines)


def _status_lines(name: str, device: Record) -> list[str]:
    lines = [f"  {name}", f"    state: {device['state']}"]
    for attribute, shown in device["attributes"].items():
        bounds = f"(range: {shown['lowest']} - {shown['highest']})"
        lines.append(f"    {attribute}: {shown['value']} {bounds}")
    return lines


def _method_text(method: Record) -> str:
    parameters = ",".join(f"{p['name']}:{p['type']}" for p in method["parameters"])
    return f"{method['room_name']}.{method['device_name']}.{method['operation']}({parameters});"


def spoken(name: str) -> str:
    """Return how a person says the name of a room or a device."""
    return name.replace("_", " ")
