"""``trained_on.json`` and ``trained_on.hashes``: which rows an adapter was trained on, as hashes.

Kept beside the adapter, so that an evaluation can tell whether its documents were among
them.  Written by ``inside/train``, read by ``inside/evaluate``; ``grams`` makes the hashes.
Nobody reads a text out of it; who has a text can find out whether it was there.
"""

from __future__ import annotations

import hashlib
import operator
import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rdagent.errors import ResultError
from rdagent.files import atomic, untrusted
from rdagent.records.fields import Fields
from rdagent.records.grams import GRAM, HASHING, NORMALISATION

RECORD_FILE = "trained_on.json"
HASHES_FILE = "trained_on.hashes"
SCHEMA = "rdagent.trained-on/1"
#: Hashes of one kind that are kept at most; of more, those that a power of two divides.
HASHES_LIMIT = 1 << 21
_SIZE = 8
_BITS = 64
_RECORD_LIMIT = 64 << 10


@dataclass(frozen=True, slots=True)
class Sampled:
    """Sorted hashes, of which only those are kept that ``2**bits`` divides."""

    hashes: Sequence[int]
    bits: int = 0

    def samples(self, number: int) -> bool:
        """Tell whether a hash is one of those that are kept if they occur."""
        return not number & ((1 << self.bits) - 1)

    def __contains__(self, number: int) -> bool:
        place = bisect_left(self.hashes, number)
        return place < len(self.hashes) and self.hashes[place] == number


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """The rows of a training, as far as they are told."""

    #: Rows that were looked at, and whether these are all.
    rows: int
    complete: bool
    #: Whole questions, and questions with their answers.
    texts: Sampled
    #: Runs of tokens in them.
    grams: Sampled

    def write(self, folder: Path) -> None:
        """Write both files; the record, which names the sum of the hashes, comes last."""
        content = _packed(self.texts.hashes) + _packed(self.grams.hashes)
        document = {
            "schema": SCHEMA,
            "rows": self.rows,
            "complete": self.complete,
            "normalisation": NORMALISATION,
            "hashing": HASHING,
            "gram": GRAM,
            "texts": {"kept": len(self.texts.hashes), "bits": self.texts.bits},
            "grams": {"kept": len(self.grams.hashes), "bits": self.grams.bits},
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        atomic.write_bytes(folder / HASHES_FILE, content)
        atomic.write_json(folder / RECORD_FILE, document)


def read(folder: Path) -> TrainedOn | None:
    """Return what an adapter's folder says; None where it says nothing.

    Raises ResultError for files that are damaged, or hashed in a way that is not ours.
    """
    path = folder / RECORD_FILE
    if not path.is_symlink() and not path.exists():
        return None
    fields = Fields(untrusted.read_json(path, _RECORD_LIMIT), RECORD_FILE, SCHEMA)
    made = (fields.text("normalisation"), fields.text("hashing"), fields.integer("gram"))
    if made != (NORMALISATION, HASHING, GRAM):
        raise ResultError(f"{RECORD_FILE} was hashed in another way than this version hashes")
    texts, grams = _part(fields, "texts"), _part(fields, "grams")
    content = untrusted.read_bytes(folder / HASHES_FILE, 2 * HASHES_LIMIT * _SIZE)
    if len(content) != (texts.kept + grams.kept) * _SIZE:
        raise ResultError(f"{HASHES_FILE} has {len(content)} bytes, not what its record says")
    if hashlib.sha256(content).hexdigest() != fields.text("sha256"):
        raise ResultError(f"{HASHES_FILE} is not the file that its record names")
    numbers = _unpacked(content)
    return TrainedOn(
        rows=fields.integer("rows"),
        complete=fields.flag("complete"),
        texts=_sorted(numbers[: texts.kept], texts.bits),
        grams=_sorted(numbers[texts.kept :], grams.bits),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    kept: int
    bits: int


def _part(fields: Fields, name: str) -> _Part:
    said = Fields(fields.mapping(name), f"{RECORD_FILE}: {name}")
    part = _Part(said.integer("kept"), said.integer("bits"))
    if not (0 <= part.kept <= HASHES_LIMIT and 0 <= part.bits < _BITS):
        raise ResultError(f"{RECORD_FILE}: {name} says {part.kept} hashes of {part.bits} bits")
    return part


def _packed(hashes: Sequence[int]) -> bytes:
    numbers = array("Q", hashes)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _unpacked(content: bytes) -> array[int]:
    numbers = array("Q")
    numbers.frombytes(content)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _sorted(hashes: array[int], bits: int) -> Sampled:
    # A search in what is not sorted would find some hashes and miss others.
    if not all(map(operator.lt, hashes, islice(hashes, 1, None))):
        raise ResultError(f"the hashes in {HASHES_FILE} are not sorted")
    return Sampled(hashes, bits)
