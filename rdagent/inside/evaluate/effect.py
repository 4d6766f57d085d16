"""Whether an adapter does anything: on a probe before it answers, and in what it answered.

An adapter that was never trained, was saved from the wrong model or fits nothing gives
the base's answers under its own name.  Used by the engines and by ``group``.
"""

from __future__ import annotations

from collections.abc import Iterable

from rdagent.records.keys import is_sampled
from rdagent.records.ledger import Ledger
from rdagent.records.plan import Request


def effect_notes(largest_change: float) -> tuple[str, ...]:
    """Return a warning when the probe's log-probabilities did not change at all."""
    if largest_change == 0.0:
        return ("the adapter changes nothing: its answers are the base model's",)
    return ()


def likeness_notes(requests: Iterable[Request], base: Ledger, tuned: Ledger) -> tuple[str, ...]:
    """Return a warning when every greedy text is the base's, word for word."""
    asked = [
        request.name
        for request in requests
        if request.kind == "generate" and not is_sampled(request.kind, request.arguments)
    ]
    pairs = [(base.answers.get(name), tuned.answers.get(name)) for name in asked]
    if not pairs or any(one is None or other is None for one, other in pairs):
        return ()
    if all(one.content == other.content for one, other in pairs if one and other):
        return (f"all {len(pairs)} greedy answers are the base model's, word for word",)
    return ()
