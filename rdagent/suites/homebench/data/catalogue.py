"""What generated homes are made of: kinds of devices, and two vocabularies of them.

``plain`` is the demo's: switches and one number a device, which a tiny model can learn.
``released`` has what HomeBench's homes have: modes, speeds, a robot.  ``generated_homes``
furnishes homes with these, ``wishes`` asks for what they can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rdagent.demo import homes as demo
from rdagent.suites.homebench.data.homes import Parameter

ROBOT = "vacuum_robot"


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that can be set: a number within bounds, or one of several options."""

    name: str
    lowest: int = 0
    highest: int = 0
    #: Asked values are multiples of this.
    step: int = 1
    unit: str = ""
    options: tuple[str, ...] = ()
    #: What it is called by, where that is not ``set_<name>``.
    operation: str = ""

    @property
    def method(self) -> str:
        """The operation that sets it."""
        return self.operation or f"set_{self.name}"

    @property
    def is_number(self) -> bool:
        """Whether it is set to a number."""
        return self.lowest < self.highest


@dataclass(frozen=True, slots=True)
class Kind:
    """What devices of one name can have, and where they may stand."""

    name: str
    states: tuple[str, ...]
    switches: tuple[str, ...]
    settings: tuple[Setting, ...] = ()
    #: Numbers that are shown and cannot be set.
    shown: tuple[Setting, ...] = ()
    #: Methods that nobody asks for; they make a home's list as long as it is in life.
    unasked: tuple[Parameter, ...] = ()
    #: The only rooms that it stands in; all of them when empty.
    rooms: tuple[str, ...] = ()

    @property
    def methods(self) -> Mapping[str, Setting | None]:
        """Every method that can be asked for, with what it sets; a switch sets nothing."""
        return {
            **dict.fromkeys(self.switches),
            **{setting.method: setting for setting in self.settings},
        }


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The rooms and kinds of devices that homes are drawn from."""

    name: str
    rooms: tuple[str, ...]
    kinds: tuple[Kind, ...]
    #: Requests are worded in several ways, with units.
    varied: bool

    def kind(self, name: str) -> Kind:
        """Return the kind of that name; KeyError for none."""
        return {kind.name: kind for kind in self.kinds}[name]

    def kinds_for(self, room: str) -> tuple[Kind, ...]:
        """Return what may stand in a room."""
        anywhere = room != ROBOT
        return tuple(kind for kind in self.kinds if room in (kind.rooms or (room,) * anywhere))


def _plain_kind(kind: demo.DeviceKind) -> Kind:
    dial = kind.dial
    settings = (Setting(dial.name, dial.lowest, dial.highest),) if dial else ()
    return Kind(kind.name, kind.states, kind.switches, settings)


PLAIN = Vocabulary(
    "plain", demo.ROOMS, tuple(_plain_kind(kind) for kind in demo.KINDS), varied=False
)

_ON_OFF, _SWITCHES = ("on", "off"), ("turn_on", "turn_off")
_OPENINGS, _OPENERS = ("open", "closed"), ("open", "close")
_INTENSITY = Setting("intensity", 0, 100, step=10, unit="percent")
_INDOORS = Setting("temperature", 16, 30, unit="degrees")
_FAN_SPEED = Setting("fan_speed", options=("auto", "low", "medium", "high"))
_SWING = Setting("swing", options=("auto", "up", "middle", "down"))
_AUTO_SLEEP = Setting("mode", options=("auto", "sleep"))
_TANK = Setting("tank", 0, 100)

_RELEASED_KINDS = (
    Kind(
        "light",
        _ON_OFF,
        _SWITCHES,
        (Setting("brightness", 0, 100, step=10, unit="percent"),),
        unasked=(Parameter("color", "typing.Tuple[int, int, int]"),),
    ),
    Kind(
        "air_conditioner",
        _ON_OFF,
        _SWITCHES,
        (
            _INDOORS,
            Setting("mode", options=("cool", "heat", "fan_only", "dry")),
            _FAN_SPEED,
            _SWING,
        ),
    ),
    Kind(
        "heating",
        _ON_OFF,
        _SWITCHES,
        (_INDOORS, Setting("mode", options=("heat", "fan_only")), _FAN_SPEED),
    ),
    Kind(
        "fan",
        _ON_OFF,
        _SWITCHES,
        (Setting("speed", options=("auto", "low", "medium", "high")), _SWING),
    ),
    Kind("humidifier", _ON_OFF, _SWITCHES, (_AUTO_SLEEP, _INTENSITY), shown=(_TANK,)),
    Kind("dehumidifiers", _ON_OFF, _SWITCHES, (_AUTO_SLEEP, _INTENSITY), shown=(_TANK,)),
    Kind(
        "aromatherapy",
        _ON_OFF,
        _SWITCHES,
        (_INTENSITY, Setting("interval", 10, 60, step=10, unit="seconds")),
    ),
    Kind("air_purifiers", _ON_OFF, _SWITCHES, (_AUTO_SLEEP, _FAN_SPEED)),
    Kind(
        "water_heater",
        _ON_OFF,
        _SWITCHES,
        (
            Setting("temperature", 30, 100, step=5, unit="degrees"),
            Setting("mode", options=("heating", "eco")),
        ),
        rooms=("kitchen", "bathroom"),
    ),
    Kind(
        "curtain",
        _OPENINGS,
        _OPENERS,
        (Setting("degree", 0, 100, step=10, unit="percent"),),
    ),
    Kind("blinds", _OPENINGS, _OPENERS),
    Kind("garage_door", _OPENINGS, _OPENERS, rooms=("garage",)),
    Kind(
        "media_player",
        ("playing", "paused", "stopped"),
        ("play", "pause", "stop"),
        (Setting("volume", 0, 100, step=10, unit="percent"),),
        unasked=(Parameter("song", "str"), Parameter("artist", "str"), Parameter("style", "str")),
    ),
    Kind("trash", ("full", "not_full", "empty"), ("pack",)),
    Kind(
        ROBOT,
        ("on", "off"),
        (),
        (
            Setting("mode", options=("auto", "strong", "sleep")),
            # Its options are the rooms of the home that it is in.
            Setting("area", operation="set_cleaning_area"),
        ),
        shown=(Setting("battery", 0, 100),),
        rooms=(ROBOT,),
    ),
)
RELEASED = Vocabulary(
    "released",
    tuple(room.replace("dining_room", "ding_room") for room in demo.ROOMS),
    _RELEASED_KINDS,
    varied=True,
)
VOCABULARIES = {vocabulary.name: vocabulary for vocabulary in (PLAIN, RELEASED)}
