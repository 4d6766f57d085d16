"""The flips as data for the page's script: small enough to carry, safe inside a page.

One JSON document in an element that no browser runs.  A long one is deflated and written in
base64; texts are cut, as little as the room allows, and flips are left out last of all.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rdagent.comparison.report import DiffPart, Flip, Report
from rdagent.files.printable import one_line, printable

#: Longest text of a flip, in characters, from the most generous on.
CAPS = (8_000, 4_000, 2_000, 1_200, 800, 500, 300, 200, 120)
#: Longer data than this is deflated.
PLAIN_LIMIT = 1_000_000
CUT_MARK = " […]"
#: Text that is this many times too long is not even tried: deflating does not do that.
_MOST_PACKED = 6
_SIGNS = {"same": "=", "base": "-", "candidate": "+"}
_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


@dataclass(frozen=True, slots=True)
class Payload:
    """What the page carries of the flips."""

    #: JSON without any character that means something to HTML.
    content: str
    shown: int
    total: int
    #: Longer texts were cut to this many characters; None: no text was.
    cut: int | None


@dataclass(frozen=True, slots=True)
class _Placed:
    """A flip and the number of its candidate."""

    candidate: int
    flip: Flip


def payload(report: Report, room: int) -> Payload:
    """Return a report's flips in at most ``room`` bytes."""
    every = [
        _Placed(place, flip) for place, one in enumerate(report.candidates) for flip in one.flips
    ]
    longest = max((_longest(one.flip) for one in every), default=0)
    for found, cap in _attempts(every):
        size = sum(_size(one.flip, cap) for one in found)
        if found and size > _MOST_PACKED * max(room, PLAIN_LIMIT):
            continue
        content = _written(report, found, cap)
        if len(content.encode()) <= room or not found:
            return Payload(content, len(found), len(every), cap if longest > cap else None)
    raise AssertionError("the last attempt holds no flip")


def _attempts(every: list[_Placed]) -> Iterator[tuple[list[_Placed], int]]:
    """Yield flips and the length of their texts, from everything to nothing."""
    for cap in CAPS:
        yield every, cap
    while every:
        every = every[::2] if len(every) > 1 else []
        yield every, CAPS[-1]


def texts(flip: Flip) -> tuple[str, ...]:
    """Return a flip's texts in the order in which a page shows them."""
    return (flip.question, flip.target, flip.base_extracted, flip.candidate_extracted)


def cut(text: str, cap: int) -> str:
    """Return a text printable, and cut with a mark when it is longer than ``cap``."""
    clean = printable(text)
    return clean if len(clean) <= cap else clean[:cap] + CUT_MARK


def cut_parts(flip: Flip, cap: int) -> list[DiffPart] | None:
    """Return a diff that stands for both answers, cut; None when it does not hold them whole."""
    if not _holds_both(flip):
        return None
    # The two answers run out of room apart; after a cut in what both share nothing fits together.
    room = {"base": cap, "candidate": cap}
    found: list[DiffPart] = []
    is_cut = False
    for part in flip.diff:
        sides = ("base", "candidate") if part.part == "same" else (part.part,)
        text = printable(part.text)
        piece = text[: min(room[side] for side in sides)]
        for side in sides:
            room[side] -= len(piece)
        if piece:
            found.append(DiffPart(part.part, piece))
        is_cut = is_cut or len(piece) < len(text)
        if is_cut and part.part == "same":
            break
    return [*found, DiffPart("same", CUT_MARK)] if is_cut else found


def _holds_both(flip: Flip) -> bool:
    def joined(side: str) -> str:
        return "".join(part.text for part in flip.diff if part.part in ("same", side))

    return bool(flip.diff) and (
        joined("base") == flip.base_answer and joined("candidate") == flip.candidate_answer
    )


def _longest(flip: Flip) -> int:
    return max(map(len, (*texts(flip), flip.base_answer, flip.candidate_answer)))


def _size(flip: Flip, cap: int) -> int:
    every = (*texts(flip), flip.base_answer, flip.candidate_answer)
    return sum(min(len(text), cap) for text in every)


def _written(report: Report, found: Sequence[_Placed], cap: int) -> str:
    tasks = list(dict.fromkeys(one.flip.task for one in found))
    numbers = {task: number for number, task in enumerate(tasks)}
    document: dict[str, Any] = {
        "base": one_line(report.base.name, 80),
        "candidates": [one_line(one.side.name, 80) for one in report.candidates],
        "tasks": [one_line(task) for task in tasks],
        "flips": [[one.candidate, numbers[one.flip.task], *_row(one.flip, cap)] for one in found],
    }
    plain = _json(document)
    if len(plain) <= PLAIN_LIMIT:
        return plain.translate(_ESCAPES)
    packed = base64.b64encode(zlib.compress(plain.encode(), 9)).decode("ascii")
    return _json({"packed": packed})


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _row(flip: Flip, cap: int) -> Iterator[Any]:
    """Yield what the script reads by place; answers only where the diff does not hold them."""
    yield 1 if flip.direction == "gained" else 0
    yield one_line(flip.item, 80)
    yield from (cut(text, cap) for text in texts(flip))
    parts = cut_parts(flip, cap)
    if parts is not None:
        yield [_SIGNS[part.part] + part.text for part in parts]
        return
    yield []
    yield cut(flip.base_answer, cap)
    yield cut(flip.candidate_answer, cap)
