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


def role_check(what: str, name: str | None, missing: tuple[str, ...], hint: str) -> Check:
    """Say whether what a role runs in is there; what is missing is made when it is needed."""
    if missing:
        return Check(what, "note", f"to be made: {', '.join(missing)}", hint)
    return Check(what, "ok", str(name))
