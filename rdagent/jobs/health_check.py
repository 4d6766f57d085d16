"""One thing that ``rdagent doctor`` looked at; ``health`` and ``health_local`` make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was seen, what to do about it."""

    name: str
    state: State
    saw: str
    hint: str = ""
