"""Texts of about one length together: little padding, and no more at once than was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: However short texts are.
MOST_TEXTS = 256


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as the model reads it."""

    ids: tuple[int, ...]
    #: How many tokens it has; more than ``ids`` when its end was cut off.
    length: int

    @property
    def was_cut(self) -> bool:
        """Whether the model sees a part of it only."""
        return len(self.ids) < self.length


def batches(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Yield places of texts, each place once, the longest texts first.

    A batch's longest text times its size is at most ``most_tokens``, unless one text alone has
    more.  Longest first: what does not fit into memory fails at the beginning.
    """
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    batch: list[int] = []
    for place in order:
        widest = lengths[batch[0]] if batch else 0
        if batch and (len(batch) == MOST_TEXTS or widest * (len(batch) + 1) > most_tokens):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
