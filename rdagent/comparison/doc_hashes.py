"""Is it the same document?  Where lm_eval's hashes cannot say, the documents themselves do.

Used by ``pairing`` when one side has hashes of lm_eval's and the other none, or when
hashes differ though the documents may be the same with their fields in another order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rdagent.comparison.lines import open_lines, row_at
from rdagent.comparison.rows import OWN_HASH, hash_is_of_its_document, own_hash_of
from rdagent.comparison.sides import Item, TaskItems
from rdagent.errors import ResultError

#: So many documents tell whether the fields of all stand in another order.
_LOOKED_AT = 20


def is_own(doc_hash: str | None) -> bool:
    """Tell whether a document's hash was made here, for want of lm_eval's."""
    return doc_hash is not None and doc_hash.startswith(OWN_HASH)


def with_own_hashes(items: TaskItems) -> TaskItems:
    """Return the items with hashes of our own; an item whose row has no document has none."""
    found = own_hashes(items)
    kept = tuple(replace(item, doc_hash=found.get(item.doc_id)) for item in items.items)
    return replace(items, items=kept)


def own_hashes(items: TaskItems, *, only_sound: bool = False) -> Mapping[int, str]:
    """Return document → our hash of it, read again from the samples.

    ``only_sound``: only of rows whose hash of lm_eval's is that of the row's own document,
    so that the document is known to be the one that was asked.
    """
    found: dict[int, str] = {}
    try:
        with open_lines(items.path) as stream:
            for item in items.items:
                row = row_at(stream, item.offset)
                if row is None or (only_sound and not hash_is_of_its_document(row)):
                    continue
                own = own_hash_of(row)
                if own is not None:
                    found[item.doc_id] = own
    except ResultError:
        return {}
    return found


def same_but_for_order(base: TaskItems, candidate: TaskItems) -> bool:
    """Tell whether documents with other hashes are the same ones, their fields in another order.

    Looks at the first items that share a number; the hashes must be those of the rows' own
    documents, so a row whose hash was changed proves nothing.
    """
    others = {item.doc_id: item for item in candidate.items}
    shared = [item for item in base.items if item.doc_id in others][:_LOOKED_AT]
    if not shared:
        return False
    one = own_hashes(_only(base, shared), only_sound=True)
    other = own_hashes(_only(candidate, [others[i.doc_id] for i in shared]), only_sound=True)
    return len(one) == len(shared) and one == other


def _only(items: TaskItems, kept: list[Item]) -> TaskItems:
    return replace(items, items=tuple(kept))
