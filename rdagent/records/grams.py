"""Text as overlap sees it: normalised tokens, and hashes of whole texts and of token runs.

Training and evaluation must hash alike, in images with different libraries, so nothing
but the standard library is used.  ``trained_on`` keeps what comes out of here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate

#: Tokens in a gram; the length at which papers on contamination call a common run no accident.
GRAM = 13
#: What this module does to a text; hashes that were made otherwise cannot be compared.
NORMALISATION = "nfkc-casefold-letters-digits/1"
HASHING = "blake2b64-polynomial/1"
#: All hashes are numbers of 64 bits; the base of the polynomial is odd, so that it loses none.
_MASK = (1 << 64) - 1
_BASE = 0x9E3779B97F4A7C15
_TOP = pow(_BASE, GRAM, 1 << 64)
#: Scripts that are written without spaces: each of their characters is a token.
_SPACELESS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),  # iteration mark, zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
#: Marks that choose a shape of the character before them and say nothing.
_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
#: Words whose hash is kept at hand.
_KNOWN_WORDS = 1 << 19


def _within(code: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(first <= code <= last for first, last in ranges)


class _Characters(dict[int, str | None]):
    """What becomes of a character; found out when it is first seen."""

    def __missing__(self, code: int) -> str | None:
        became = self[code] = _became(code)
        return became


def _became(code: int) -> str | None:
    character = chr(code)
    category = unicodedata.category(character)
    if category == "Cf" or _within(code, _SELECTORS):
        return None  # invisible: a soft hyphen, a joiner
    if category[0] not in "LMN":
        return " "
    return f" {character} " if _within(code, _SPACELESS) else character


_CHARACTERS = _Characters()


def tokens_of(text: str) -> list[str]:
    """Return the words of a text without case, width, punctuation and layout.

    Where a script has no spaces between words, each character is a token, so that a
    gram is thirteen characters there and thirteen words elsewhere.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_CHARACTERS)
    # Folded letters, and marks without what stood between, can be composed once more.
    return unicodedata.normalize("NFKC", plain).split()


def text_hash(tokens: Sequence[str]) -> int:
    """Return the hash of a whole text."""
    return _hash(" ".join(tokens))


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8"), digest_size=8).digest(), "little")


class _Words(dict[str, int]):
    """Hashes of words; those of a language's usual words are looked up, not computed."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _KNOWN_WORDS:
            self.clear()
        number = self[word] = _hash(word)
        return number


_WORDS = _Words()


def gram_hashes(tokens: Sequence[str]) -> list[int]:
    """Return the hash of every run of thirteen tokens, in order; a shorter text has none."""
    if len(tokens) < GRAM:
        return []
    # A polynomial of the words' hashes: the next run costs two products, whatever its length.
    sums = list(accumulate(map(_WORDS.__getitem__, tokens), _step, initial=0))
    return [(end - start * _TOP) & _MASK for start, end in zip(sums, sums[GRAM:], strict=False)]


def _step(total: int, word: int) -> int:
    return (total * _BASE + word) & _MASK
