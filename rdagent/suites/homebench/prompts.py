"""The one renderer: what a model is asked in every mode, and what it is trained to answer.

The home comes first, so that requests to one home share the beginning of their prompts; then
the rules, the examples, and last the request.  Evaluation and training both call ``render``;
``shots`` draws the examples, ``retrieval`` decides which rooms are shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from rdagent.errors import UsageError
from rdagent.suites.homebench.data.homes import Attribute, Device, Home, Method, Room
from rdagent.suites.homebench.data.records import Record

Mode = Literal["zero-shot", "few-shot", "rag"]
MODES: tuple[Mode, ...] = get_args(Mode)
#: ``released`` shows homes in the form that the benchmark does, ``compact`` in half the length.
Style = Literal["released", "compact"]
STYLES: tuple[Style, ...] = get_args(Style)

SYSTEM = "You control a smart home."
RULES = (
    "Answer in braces with the calls that carry out the request, separated by commas:"
    " {room.device.method(value),error_input}. Use only listed methods, with values in range."
    " A change by a number, also in percent, is added to or taken from the shown value."
    " error_input stands for each part whose room, device or method does not exist."
)
EXAMPLES = "Examples, each with rooms of its own home:"
_BACK = "Now the request, to the home that is shown first."
_ABSENT = "Not shown, but in the home: "
_SUFFIX = "Which calls fit: "


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, as the two turns of a chat."""

    system: str
    user: str

    @property
    def folded(self) -> str:
        """Both as one user turn, for templates without a system role."""
        return f"{self.system}\n{self.user}"


@dataclass(frozen=True, slots=True)
class Shot:
    """An example: a record that is answered, and the rooms of its home that it needs."""

    record: Record
    home: Home
    rooms: tuple[str, ...]


def render(
    record: Record,
    home: Home,
    *,
    mode: Mode,
    shots: Sequence[Shot] = (),
    rooms: Collection[str] | None = None,
    style: Style = "released",
) -> Prompt:
    """Return the prompt of a record.

    ``few-shot`` needs ``shots``, ``rag`` needs ``rooms`` (the retrieved ones, be they none) and
    may have shots; anything else is a UsageError, and so is a record of another home.
    """
    _check(record, home, mode, shots, rooms)
    parts = [render_home(home, rooms, style), RULES]
    if shots:
        parts += [EXAMPLES, *(_shown_shot(shot, style) for shot in shots), _BACK]
    return Prompt(SYSTEM, "\n".join((*parts, render_request(record))))


def render_request(record: Record) -> str:
    """Return the last line of a prompt, the same wherever a record is asked or answered."""
    return f"{_SUFFIX}{' '.join(record.input.split())}"


def render_answer(record: Record) -> str:
    """Return the gold as a model is to write it: in braces, without a comma at the end."""
    return f"{{{','.join(record.gold)}}}"


def render_home(home: Home, rooms: Collection[str] | None = None, style: Style = "released") -> str:
    """Show a home, or some of its rooms and the names of those that are left out."""
    shown = home.room_names if rooms is None else rooms
    absent = [name for name in home.room_names if name not in shown]
    text = render_rooms(home, shown, style)
    return f"{text}\n{_ABSENT}{', '.join(absent)}" if absent else text


def render_rooms(home: Home, rooms: Collection[str], style: Style = "released") -> str:
    """Show some rooms of a home, as if there were no others."""
    show = _released if style == "released" else _compact
    return "\n".join(show(home, [room for room in home.rooms if room.name in rooms]))


def _check(
    record: Record,
    home: Home,
    mode: Mode,
    shots: Sequence[Shot],
    rooms: Collection[str] | None,
) -> None:
    if record.home_id != home.home_id:
        raise UsageError(f"record {record.id} asks home {record.home_id}, not {home.home_id}")
    if mode not in MODES:
        raise UsageError(f"there is no mode {mode!r}", hint=f"There are {', '.join(MODES)}.")
    if (mode == "rag") != (rooms is not None):
        raise UsageError(f"mode {mode} with{'out' if rooms is None else ''} retrieved rooms")
    if bool(shots) != (mode == "few-shot") and mode != "rag":
        raise UsageError(f"mode {mode} with {len(shots)} examples")
    if any(shot.record.id == record.id for shot in shots):
        raise UsageError(f"record {record.id} is among its own examples")


def _shown_shot(shot: Shot, style: Style) -> str:
    """Show an example; rooms that it does not need are not even named."""
    home = render_rooms(shot.home, shot.rooms, style)
    return f"{home}\n{render_request(shot.record)}\n{render_answer(shot.record)}"


def _released(home: Home, rooms: Sequence[Room]) -> Iterator[str]:
    """A block of status, a block of methods."""
    yield "<home_state>"
    for room in rooms:
        yield f"{room.name}:"
        for device in room.devices:
            if not room.is_device:
                yield f"  {device.name}"
            # What stands in no room is shown as a room would be, not under the one before it.
            indent = "  " if room.is_device else "    "
            yield from (f"{indent}{line}" for line in _status(device))
    yield "</home_state>"
    yield "<device_method>"
    names = {room.name for room in rooms}
    yield "".join(f"{_call(method)};" for method in home.methods if method.room in names)
    yield "</device_method>"


def _status(device: Device) -> Iterator[str]:
    yield f"state: {device.state}"
    for attribute in device.attributes:
        yield f"{attribute.name}: {_value(attribute)}{_bounds(attribute)}"


def _bounds(attribute: Attribute) -> str:
    if attribute.options:
        return f" (options: {', '.join(attribute.options)})"
    if attribute.lowest is None:
        return ""
    return f" (range: {attribute.lowest} - {attribute.highest})"


def _call(method: Method) -> str:
    return f"{method.place}.{method.operation}({_parameters(method)})"


def _parameters(method: Method) -> str:
    return ",".join(f"{each.name}:{each.type}" for each in method.parameters)


def _compact(home: Home, rooms: Sequence[Room]) -> Iterator[str]:
    """A line for each device: what it shows, and what it can be told."""
    for room in rooms:
        for device in room.devices:
            place = device.name if room.is_device else f"{room.name}.{device.name}"
            methods = home.operations_of(room.name, device.name)
            yield f"{place}: {_compact_status(device)}; {', '.join(methods)}"
        if not room.devices:
            yield f"{room.name}: empty"


def _compact_status(device: Device) -> str:
    shown = [device.state]
    for attribute in device.attributes:
        bounds = "|".join(attribute.options)
        if attribute.lowest is not None:
            bounds = f"{attribute.lowest}-{attribute.highest}"
        shown.append(f"{attribute.name} {_value(attribute)}{f' ({bounds})' if bounds else ''}")
    return ", ".join(shown)


def _value(attribute: Attribute) -> str:
    value = attribute.value
    return f"({', '.join(map(str, value))})" if isinstance(value, tuple) else str(value)
