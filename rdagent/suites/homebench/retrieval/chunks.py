"""What is retrieved: a room's status and methods as one text, so that the two never part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rdagent.suites.homebench.data.homes import Home
from rdagent.suites.homebench.prompts import Style, render_rooms


@dataclass(frozen=True, slots=True)
class Chunk:
    """One room of one home, as a prompt would show it."""

    home_id: int
    room: str
    text: str


def chunks_of(home: Home, style: Style = "released") -> tuple[Chunk, ...]:
    """Return a home's rooms, in its order."""
    return tuple(
        Chunk(home.home_id, name, render_rooms(home, (name,), style)) for name in home.room_names
    )


def chunks_of_all(homes: Iterable[Home], style: Style = "released") -> tuple[Chunk, ...]:
    """Return the rooms of several homes."""
    return tuple(chunk for home in homes for chunk in chunks_of(home, style))
