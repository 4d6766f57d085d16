"""Homes as HomeBench releases them, typed: rooms, devices with their state, and methods.

Quirks of the release are read for what they mean: bounds that are texts, an attribute
named with a blank before it, a robot that stands beside the rooms (``VacuumRobot``) and
whose methods have the room ``"None"``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdagent.suites.homebench.data.lines import (
    Place,
    as_integer,
    as_list,
    as_name,
    as_object,
    as_text,
    as_word,
    read_lines,
    shown,
)
from rdagent.suites.homebench.data.lines import field as field_of
from rdagent.suites.homebench.data.records import Operation

Value = int | str | tuple[int, ...]
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a device shows of itself; a number has bounds, a choice has options."""

    name: str
    value: Value
    lowest: int | None = None
    highest: int | None = None
    options: tuple[str, ...] = ()

    def admits(self, argument: str) -> bool:
        """Whether a call may set this attribute to ``argument``."""
        if self.options:
            return argument in self.options
        if self.lowest is None or self.highest is None:
            return True
        is_number = re.fullmatch(r"-?\d{1,10}", argument, re.ASCII)
        return is_number is not None and self.lowest <= int(argument) <= self.highest


@dataclass(frozen=True, slots=True)
class Device:
    """A device: on, off, open, and what else it shows."""

    name: str
    state: str
    attributes: tuple[Attribute, ...]

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of that name, if it has one."""
        return next((each for each in self.attributes if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Room:
    """A room with its devices; a device without a room is a room of its own, by its name."""

    name: str
    devices: tuple[Device, ...]

    @property
    def is_device(self) -> bool:
        """Whether this is a device that stands in no room."""
        return len(self.devices) == 1 and self.devices[0].name == self.name

    def device(self, name: str) -> Device | None:
        """Return the device of that name, if the room has one."""
        return next((each for each in self.devices if each.name == name), None)


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a method wants to be told."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Method:
    """Something that a device of a room can be told to do."""

    room: str
    device: str
    operation: str
    parameters: tuple[Parameter, ...]

    @property
    def place(self) -> str:
        """The device as calls name it: with its room, if it stands in one."""
        return self.device if self.room == self.device else f"{self.room}.{self.device}"


@dataclass(frozen=True, slots=True)
class Home:
    """One home: what there is and what may be called."""

    home_id: int
    rooms: tuple[Room, ...]
    methods: tuple[Method, ...]
    _methods: Mapping[tuple[str, str, str], Method] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = {(each.room, each.device, each.operation): each for each in self.methods}
        object.__setattr__(self, "_methods", found)

    @property
    def room_names(self) -> tuple[str, ...]:
        """The rooms, in the order of the record."""
        return tuple(room.name for room in self.rooms)

    def room(self, name: str) -> Room | None:
        """Return the room of that name, if there is one."""
        return next((room for room in self.rooms if room.name == name), None)

    def operations_of(self, room: str, device: str) -> tuple[str, ...]:
        """Return what one device of one room can be told to do."""
        return tuple(
            each.operation for each in self.methods if (each.room, each.device) == (room, device)
        )

    def method_of(self, operation: Operation) -> Method | None:
        """Return the method that an operation calls, or None when the home offers none."""
        return self._methods.get((operation.room, operation.device, operation.method))

    def attribute_of(self, operation: Operation) -> Attribute | None:
        """Return the attribute that an operation sets, where the home shows one."""
        method, room = self.method_of(operation), self.room(operation.room)
        device = room.device(operation.device) if room else None
        if method is None or device is None or not method.parameters:
            return None
        return device.attribute(method.parameters[0].name)


def read_homes(path: Path) -> dict[int, Home]:
    """Read all homes of a file by their number; a number that stands there twice is refused."""
    homes: dict[int, Home] = {}
    for place, document in read_lines(path):
        home = read_home(place, document)
        if home.home_id in homes:
            place.refuse(f"home {home.home_id} stands there before", "each home once")
        homes[home.home_id] = home
    return homes


def read_home(place: Place, document: Mapping[str, Any]) -> Home:
    """Read one home from its JSON; what does not fit is refused with its place."""
    at, number = field_of(place, document, "home_id")
    if not isinstance(number, int) or as_integer(at, number) < 0:
        at.refuse(f"{shown(number)} is no home", "a whole number from 0")
    at, status = field_of(place, document, "home_status")
    rooms = tuple(
        _room(at.into(name), name, value) for name, value in as_object(at, status).items()
    )
    if not rooms:
        at.refuse("there is no room", "at least one")
    at, methods = field_of(place, document, "method")
    listed = enumerate(as_list(at, methods))
    return Home(number, rooms, tuple(_method(at.into(n), value) for n, value in listed))


def _room(place: Place, key: str, value: Any) -> Room:
    content = as_object(place, value)
    name = _HUMP.sub("_", as_name(place, key)).lower()
    if "state" in content:
        return Room(name, (_device(place, name, content),))
    said = content.get("room_name", key)
    if said != key:
        place.into("room_name").refuse(f"{shown(said)} is another room's name", repr(key))
    devices = (
        _device(place.into(each), as_name(place.into(each), each), as_object(place.into(each), it))
        for each, it in content.items()
        if each != "room_name"
    )
    return Room(as_name(place, key), tuple(devices))


def _device(place: Place, name: str, content: Mapping[str, Any]) -> Device:
    at, attributes = field_of(place, content, "attributes")
    state = as_word(*field_of(place, content, "state"))
    return Device(name, state, tuple(_attributes(at, as_object(at, attributes))))


def _attributes(place: Place, content: Mapping[str, Any]) -> Iterator[Attribute]:
    seen = set()
    for key, value in content.items():
        at = place.into(key)
        name = as_name(at, key)
        if name in seen:
            at.refuse(f"the attribute {name} stands there before", "each attribute once")
        seen.add(name)
        yield _attribute(at, name, as_object(at, value))


def _attribute(place: Place, name: str, content: Mapping[str, Any]) -> Attribute:
    value = _value(*field_of(place, content, "value"))
    if "options" in content:
        at = place.into("options")
        options = tuple(as_word(at, each) for each in as_list(at, content["options"]))
        return Attribute(name, value, options=options)
    if "lowest" in content or "highest" in content:
        lowest = as_integer(*field_of(place, content, "lowest"))
        highest = as_integer(*field_of(place, content, "highest"))
        if lowest > highest:
            place.refuse(f"the lowest value {lowest} is over the highest {highest}", "a range")
        return Attribute(name, value, lowest, highest)
    return Attribute(name, value)


def _value(place: Place, value: Any) -> Value:
    if isinstance(value, list):
        return tuple(as_integer(place, each) for each in value)
    if isinstance(value, int):
        return as_integer(place, value)
    return as_word(place, value)


def _method(place: Place, value: Any) -> Method:
    content = as_object(place, value)
    device = as_name(*field_of(place, content, "device_name"))
    at, room = field_of(place, content, "room_name")
    at_parameters, parameters = field_of(place, content, "parameters")
    return Method(
        room=device if room in (None, "None") else as_name(at, room),
        device=device,
        operation=as_name(*field_of(place, content, "operation")),
        parameters=tuple(
            _parameter(at_parameters.into(n), each)
            for n, each in enumerate(as_list(at_parameters, parameters))
        ),
    )


def _parameter(place: Place, value: Any) -> Parameter:
    content = as_object(place, value)
    name = as_name(*field_of(place, content, "name"))
    return Parameter(name, as_text(*field_of(place, content, "type"), 100))
