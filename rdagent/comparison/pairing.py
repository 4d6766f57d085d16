"""Join the items of two sides: the same document with the same document, nothing else.

Items meet by the document's hash; by number only where there are no hashes.  What does
not fit is a finding, what has no partner is counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rdagent.comparison.doc_hashes import is_own, same_but_for_order, with_own_hashes
from rdagent.comparison.report import Finding
from rdagent.comparison.sides import Item, TaskItems

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """One document as both sides answered it."""

    base: Item
    candidate: Item


@dataclass(frozen=True, slots=True)
class Pairing:
    """The items of one task and filter, joined."""

    #: In the order of the base's documents.
    pairs: tuple[Pair, ...]
    only_base: tuple[Item, ...]
    only_candidate: tuple[Item, ...]
    findings: tuple[Finding, ...]


def pair(base: TaskItems, candidate: TaskItems) -> Pairing:
    """Join two sides' items of one task.

    A document that is there several times meets its like in order.  Items whose hashes
    differ never meet, whatever their numbers.
    """
    base, candidate, notes = _comparable(base, candidate)
    pairs = tuple(sorted(_joined(base.items, candidate.items), key=lambda one: one.base.doc_id))
    of_base = {one.base.doc_id for one in pairs}
    of_candidate = {one.candidate.doc_id for one in pairs}
    pairing = Pairing(
        pairs,
        tuple(item for item in base.items if item.doc_id not in of_base),
        tuple(item for item in candidate.items if item.doc_id not in of_candidate),
        (),
    )
    found = (*_documents(base, candidate, pairing), *notes, *_of_pairs(base.task, pairs))
    return Pairing(pairs, pairing.only_base, pairing.only_candidate, found)


def _comparable(
    base: TaskItems, candidate: TaskItems
) -> tuple[TaskItems, TaskItems, tuple[Finding, ...]]:
    """Return both with hashes that were made in the same way."""
    kinds = {is_own(item.doc_hash) for s in (base, candidate) for item in s.items if item.doc_hash}
    if len(kinds) == 2:
        return with_own_hashes(base), with_own_hashes(candidate), ()
    if _all_differ(base, candidate) and same_but_for_order(base, candidate):
        says = "the documents are the same, their fields stand in another order"
        note = Finding("INFO", "doc_hash", "one order", "another", base.task, says)
        return with_own_hashes(base), with_own_hashes(candidate), (note,)
    return base, candidate, ()


def _all_differ(base: TaskItems, candidate: TaskItems) -> bool:
    one = {item.doc_hash for item in base.items if item.doc_hash}
    other = {item.doc_hash for item in candidate.items if item.doc_hash}
    return bool(one and other) and not one & other


def _joined(base: Sequence[Item], candidate: Sequence[Item]) -> Iterator[Pair]:
    """Yield pairs by hash, then by number where a side has no hash to go by."""
    waiting, offered = _by_hash(base), _by_hash(candidate)
    met: set[int] = set()
    for name, items in waiting.items():
        for one in _alike(items, offered.get(name, {})):
            met.add(one.candidate.doc_id)
            yield one
            del waiting[name][one.base.doc_id]
    left = {item.doc_id: item for item in candidate if item.doc_id not in met}
    for item in base:
        other = left.get(item.doc_id)
        unmet = item.doc_hash is None or item.doc_id in waiting[item.doc_hash]
        if other and unmet and (item.doc_hash is None or other.doc_hash is None):
            yield Pair(item, other)


def _by_hash(items: Sequence[Item]) -> dict[str, dict[int, Item]]:
    found: dict[str, dict[int, Item]] = defaultdict(dict)
    for item in items:
        if item.doc_hash is not None:
            found[item.doc_hash][item.doc_id] = item
    return found


def _alike(base: Mapping[int, Item], candidate: Mapping[int, Item]) -> tuple[Pair, ...]:
    """Join copies of one document: by number where that is the same, the rest in order."""
    same = [Pair(item, candidate[number]) for number, item in base.items() if number in candidate]
    rest = [item for number, item in base.items() if number not in candidate]
    left = [item for number, item in candidate.items() if number not in base]
    return (*same, *(Pair(one, other) for one, other in zip(rest, left, strict=False)))


def _documents(base: TaskItems, candidate: TaskItems, pairing: Pairing) -> Iterator[Finding]:
    """Yield what is wrong with which documents are there."""
    task = base.task
    one, another = f"{len(base.items)} items", f"{len(candidate.items)} items"
    others = {item.doc_id: item for item in pairing.only_candidate}
    other = [
        item.doc_id
        for item in pairing.only_base
        if item.doc_id in others and item.doc_hash and others[item.doc_id].doc_hash
    ]
    if other:
        says = f"{len(other)} items have the same number and another document: {_some(other)}"
        hashes = _first_hashes(pairing.only_base, others, other[0])
        yield Finding("FATAL", "doc_hash", *hashes, task=task, says=says)
    elif base.items and candidate.items and not pairing.pairs:
        yield Finding("FATAL", "doc_hash", one, another, task, "no document is on both sides")
    elif pairing.only_base or pairing.only_candidate:
        says = f"other documents were asked: {len(pairing.pairs)} are on both sides"
        yield Finding("WARN", "doc_id", one, another, task, says)
    yield from _meetings(task, pairing)


def _meetings(task: str, pairing: Pairing) -> Iterator[Finding]:
    """Yield how items met, where that was not by hash and number alike."""
    unknown = [
        one.base.doc_id
        for one in pairing.pairs
        if one.base.doc_hash is None or one.candidate.doc_hash is None
    ]
    if unknown:
        says = f"{_of(unknown, pairing)} items have no document to check and met by their numbers"
        yield Finding("INFO", "doc_hash", "not known", "not known", task, says)
    moved = [one.base.doc_id for one in pairing.pairs if one.base.doc_id != one.candidate.doc_id]
    if moved:
        says = f"{_of(moved, pairing)} documents have another number and met by their hashes"
        yield Finding("INFO", "doc_id", None, None, task, says)


def _first_hashes(
    only_base: Sequence[Item], others: dict[int, Item], number: int
) -> tuple[str | None, str | None]:
    one = next(item for item in only_base if item.doc_id == number)
    return _shown(one.doc_hash), _shown(others[number].doc_hash)


def _of_pairs(task: str, pairs: Sequence[Pair]) -> Iterator[Finding]:
    """Yield what differs between two items of one document."""
    pairing = Pairing(tuple(pairs), (), (), ())
    targets = [one for one in pairs if _differ(one.base.target_hash, one.candidate.target_hash)]
    if targets:
        numbers = [one.base.doc_id for one in targets]
        says = f"{_of(numbers, pairing)} items have another target: {_some(numbers)}"
        first = targets[0]
        hashes = _shown(first.base.target_hash), _shown(first.candidate.target_hash)
        yield Finding("FATAL", "target_hash", *hashes, task=task, says=says)
    prompts = [
        one.base.doc_id for one in pairs if _differ(one.base.prompt_hash, one.candidate.prompt_hash)
    ]
    if prompts:
        says = f"{_of(prompts, pairing)} prompts differ: systems are compared, not models alone"
        yield Finding("WARN", "prompt_hash", None, None, task, says)
    drawn = [(one.base.drawn, one.candidate.drawn) for one in pairs]
    unlike = next((counts for counts in drawn if counts[0] != counts[1]), None)
    if unlike:
        says = "not equally many answers were drawn for each document"
        yield Finding("WARN", "repeats", str(unlike[0]), str(unlike[1]), task, says)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _of(numbers: Sequence[int], pairing: Pairing) -> str:
    """Return how many of the pairs, in words that are the same for tasks of any size."""
    total = len(pairing.pairs)
    return "all" if len(numbers) == total else f"{len(numbers)} of {total}"


def _some(numbers: Sequence[int]) -> str:
    more = ", …" if len(numbers) > _NAMED else ""
    return ", ".join(map(str, numbers[:_NAMED])) + more


def _shown(text: str | None) -> str | None:
    return text[:16] if text else None
