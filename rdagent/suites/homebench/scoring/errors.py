"""What went wrong in a record that was missed: nine kinds, and the paper's three.

A function of the answer, the gold and the home.  What is left on both sides after the right
operations are taken away is paired, the most alike first, so that *missing* and *extra* are
what nothing stands for.  Without the home it is unknown whether what was done instead of a
refusal exists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from rdagent.suites.homebench.scoring.clauses import UNDECIDED, clauses, value_change
from rdagent.suites.homebench.scoring.lenient import tidied
from rdagent.suites.homebench.scoring.operations import ERROR_INPUT, Call, Reading, parse_call

#: Kind → what it means.
KINDS = {
    "unparsable": "no braces, and nothing right outside of them",
    "key_error": "the lenient reading finds right operations that the strict one does not",
    "refused_valid": "error_input in the place of an operation",
    "accepted_invalid": "an operation that the home does not have in the place of error_input",
    "wrong_device": "an operation on another device, or in another room",
    "wrong_method": "another method of the right device",
    "wrong_value": "the right method with another argument",
    "missing": "an operation or error_input for which nothing stands in the answer",
    "extra": "something in the answer that stands for nothing asked",
}
#: Something was done in the place of ``error_input``, and the home is not known.
UNKNOWN = "unknown"

UNFAITHFULNESS, ATTENTION, KEY = "unfaithfulness", "in_context_attention", "key_error"
#: Kind → the error type of the paper that it belongs to; the others have none there.
PAPER_TYPES = {
    "refused_valid": UNFAITHFULNESS,
    "accepted_invalid": ATTENTION,
    "wrong_device": ATTENTION,
    "wrong_method": ATTENTION,
    "wrong_value": ATTENTION,
    "unparsable": KEY,
    "key_error": KEY,
}


@dataclass(frozen=True, slots=True)
class Faults:
    """The kinds of one record, in the order of ``KINDS``; how each wrong value was asked for."""

    kinds: tuple[str, ...] = ()
    value_changes: tuple[str, ...] = ()


def find_faults(
    strict: Reading,
    lenient: Reading,
    gold: Sequence[str],
    methods: Set[str] | None = None,
    request: str | None = None,
) -> Faults:
    """Name what is wrong with an answer; nothing is where the strict reading matches.

    ``methods`` are the home's, as ``room.device.method``; None where the home is not known.
    """
    given: Sequence[str] = strict.operations
    if Counter(given) == Counter(gold):
        return Faults()
    kinds = set()
    tidy_gold = [tidied(operation) for operation in gold]
    if _matches(lenient.operations, tidy_gold) > _matches(given, gold):
        kinds.add("key_error")
        given, gold = lenient.operations, tidy_gold
    elif not strict.parsed:
        return Faults(("unparsable",))
    left = _Leftovers(given, gold)
    changes = left.take_wrong_values(request)
    if changes:
        kinds.add("wrong_value")
    kinds |= left.take_other_kinds(methods)
    return Faults(
        tuple(kind for kind in (*KINDS, UNKNOWN) if kind in kinds),
        tuple(changes),
    )


def _matches(given: Iterable[str], gold: Iterable[str]) -> int:
    return (Counter(given) & Counter(gold)).total()


class _Leftovers:
    """What is too much and what is missed, from which pairs are taken."""

    def __init__(self, given: Sequence[str], gold: Sequence[str]) -> None:
        extra, missed = Counter(given) - Counter(gold), Counter(gold) - Counter(given)
        self._size = len(gold)
        self._refusals_extra = extra.pop(ERROR_INPUT, 0)
        self._refusals_missed = missed.pop(ERROR_INPUT, 0)
        calls = [parse_call(operation) for operation in extra.elements()]
        self._extra = [call for call in calls if call is not None]
        self._odd_extra = len(calls) - len(self._extra)
        #: Each with its place in the gold; what is no call has none to be paired by.
        self._missed: list[tuple[int, Call | None]] = []
        for place, operation in enumerate(gold):
            if missed[operation] > 0:
                missed[operation] -= 1
                self._missed.append((place, parse_call(operation)))

    def take_wrong_values(self, request: str | None) -> list[str]:
        """Pair calls of one method of one device; return how each value was asked for."""
        parts = clauses(request) if request else []
        known = len(parts) == self._size
        return [
            value_change(parts[place]) if known else UNDECIDED
            for place in self._pair(lambda call: call.name)
        ]

    def take_other_kinds(self, methods: Set[str] | None) -> set[str]:
        """Pair the rest, and return the kinds found."""
        wrong_methods = len(list(self._pair(lambda call: call.device)))
        missed, extra = len(self._missed), len(self._extra)
        refused = min(missed, self._refusals_extra)
        absent = sum(methods is None or call.name not in methods for call in self._extra)
        accepted = min(self._refusals_missed, absent)
        wrong_devices = min(missed - refused, extra - accepted)
        not_given = missed - refused - wrong_devices + self._refusals_missed - accepted
        not_asked = extra - accepted - wrong_devices + self._refusals_extra - refused
        found = {
            "wrong_method": wrong_methods,
            "refused_valid": refused,
            UNKNOWN if methods is None else "accepted_invalid": accepted,
            "wrong_device": wrong_devices,
            "missing": not_given,
            "extra": not_asked + self._odd_extra,
        }
        return {kind for kind, number in found.items() if number}

    def _pair(self, key: Callable[[Call], str]) -> Iterator[int]:
        """Take pairs that share ``key`` from both sides; yield the places of the missed ones."""
        offered = Counter(key(call) for call in self._extra)
        taken: Counter[str] = Counter()
        kept, places = [], []
        for place, call in self._missed:
            name = key(call) if call else ""
            if call and taken[name] < offered[name]:
                taken[name] += 1
                places.append(place)
            else:
                kept.append((place, call))
        self._missed = kept
        self._extra = [call for call in self._extra if not _take(taken, key(call))]
        yield from places


def _take(counter: Counter[str], name: str) -> bool:
    if counter[name] <= 0:
        return False
    counter[name] -= 1
    return True
