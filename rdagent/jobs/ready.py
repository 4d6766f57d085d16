"""What a role runs in, made ready: the same few words for images and environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ready:
    """What a role runs in, now that it is there; ``built`` says whether it was made just now."""

    name: str
    built: bool
    seconds: float
