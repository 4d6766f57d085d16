"""Refuse rows that would be cut, by name: for data whose end is the answer, a cut is a fault.

``preflight`` counts cuts in a sample and tells them; here every row is looked at, where a
request has names for the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rdagent.errors import RefusedError
from rdagent.files.printable import one_line
from rdagent.inside.train.preflight import Loaded, encode_whole, load, load_datasets
from rdagent.inside.train.samples import STEP, Refusal

SHOWN = 5


def refuse_cut_rows(values: Mapping[str, Any], names: Path) -> None:
    """Raise RefusedError with the names of the rows that ``cutoff_len`` would cut.

    ``names`` has one line for each row, in the order of the data.
    """
    loaded = load(values)
    rows, _ = load_datasets(loaded)
    named = names.read_text("utf-8").splitlines()
    if len(named) != len(rows):
        raise RefusedError(
            f"there are {len(named)} names for {len(rows)} rows",
            hint="max_samples, val_size and several data sets leave no row in its place.",
        )
    cutoff = int(loaded.data.cutoff_len)
    if found := too_long(named, list(lengths(loaded, rows)), cutoff):
        raise RefusedError(found.message, hint=found.hint)


def lengths(loaded: Loaded, rows: Any) -> Iterator[int]:
    """Yield how many tokens each row has before any cut; 0 for a row that is dropped."""
    for row in rows:
        encoded = encode_whole(loaded, row)
        yield len(encoded["input_ids"]) if encoded else 0


def too_long(names: Sequence[str], counts: Sequence[int], cutoff: int) -> Refusal | None:
    """Return why rows are refused and what to do, None when all of them are whole."""
    long = [(name, count) for name, count in zip(names, counts, strict=True) if count > cutoff]
    if not long:
        return None
    shown = ", ".join(f"{one_line(name, 200)} ({count} tokens)" for name, count in long[:SHOWN])
    more = f" and {len(long) - SHOWN} more" if len(long) > SHOWN else ""
    longest = max(count for _, count in long)
    return Refusal(
        f"{len(long)} of {len(names)} rows have more than {cutoff} tokens and would be cut:"
        f" {shown}{more}",
        f"Set cutoff_len: {-(-longest // STEP) * STEP}, or leave these rows out.",
    )
