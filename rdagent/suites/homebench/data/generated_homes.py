"""Homes drawn from a vocabulary, in HomeBench's format; the tiny ones are the demo's own.

A home comes as JSON and as what ``homes`` reads in it, so that whatever asks something of a
generated home sees it as it would see a released one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from rdagent.demo.homes import HomeSize
from rdagent.demo.homes import make_home as make_plain_home
from rdagent.suites.homebench.data.catalogue import PLAIN, ROBOT, Kind, Setting, Vocabulary
from rdagent.suites.homebench.data.homes import Home, read_home
from rdagent.suites.homebench.data.lines import Place

#: How often a device has what its kind can have; the rest is asked for in vain.
SETTING_RATE = 0.55
SHOWN_RATE = 0.5
UNASKED_RATE = 0.5
ROBOT_RATE = 0.56
_ROBOT_KEY = "VacuumRobot"


@dataclass(frozen=True, slots=True)
class MadeHome:
    """A home, as it is written and as it is read."""

    document: dict[str, Any]
    home: Home


def make_home(
    rng: random.Random, home_id: int, size: HomeSize, vocabulary: Vocabulary = PLAIN
) -> MadeHome:
    """Draw one home; equal generator state gives an equal home."""
    if vocabulary is PLAIN:
        document = make_plain_home(rng, home_id, size)
    else:
        document = _make(rng, home_id, size, vocabulary)
    return MadeHome(document, read_home(Place("generated home", 1), document))


def _make(
    rng: random.Random, home_id: int, size: HomeSize, vocabulary: Vocabulary
) -> dict[str, Any]:
    status: dict[str, Any] = {}
    methods: list[dict[str, Any]] = []
    for room in rng.sample(vocabulary.rooms, rng.randint(*size.rooms)):
        status[room] = {"room_name": room}
        kinds = vocabulary.kinds_for(room)
        for kind in rng.sample(kinds, min(len(kinds), rng.randint(*size.devices))):
            status[room][kind.name], offered = _device(rng, kind)
            methods += [_listed(room, kind.name, *each) for each in offered]
    if rng.random() < ROBOT_RATE:
        status[_ROBOT_KEY], offered = _device(rng, vocabulary.kind(ROBOT))
        methods += [_listed("None", ROBOT, *each) for each in offered]
    return {"home_id": home_id, "method": methods, "home_status": status}


Offered = list[tuple[str, list[dict[str, str]]]]


def _device(rng: random.Random, kind: Kind) -> tuple[dict[str, Any], Offered]:
    """Return what the home shows of a device, and the methods that it offers."""
    attributes: dict[str, Any] = {}
    offered: Offered = [(switch, []) for switch in kind.switches]
    for setting in kind.settings:
        # A device without a switch would have nothing to call: it keeps its settings.
        if kind.switches and rng.random() >= SETTING_RATE:
            continue
        attributes.update(_attribute(rng, setting))
        type_ = "int" if setting.is_number else "str"
        offered.append((setting.method, [{"name": setting.name, "type": type_}]))
    for parameter in kind.unasked:
        if rng.random() < UNASKED_RATE:
            offered.append(
                (f"set_{parameter.name}", [{"name": parameter.name, "type": parameter.type}])
            )
    for setting in kind.shown:
        if rng.random() < SHOWN_RATE:
            attributes.update(_attribute(rng, setting))
    return {"state": rng.choice(kind.states), "attributes": attributes}, offered


def _attribute(rng: random.Random, setting: Setting) -> dict[str, Any]:
    if setting.is_number:
        value = rng.randint(setting.lowest, setting.highest)
        bounds = {"lowest": setting.lowest, "highest": setting.highest}
        return {setting.name: {"value": value, **bounds}}
    if setting.options:
        options = list(setting.options)
        return {setting.name: {"value": rng.choice(options), "options": options}}
    return {}


def _listed(
    room: str, device: str, operation: str, parameters: list[dict[str, str]]
) -> dict[str, Any]:
    return {
        "room_name": room,
        "device_name": device,
        "operation": operation,
        "parameters": parameters,
    }
