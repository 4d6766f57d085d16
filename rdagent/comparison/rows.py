"""One row of a samples file: what it says, whichever version of lm_eval wrote it.

A row is a stranger's: every field may be missing or have another shape.  Used by
``items`` for numbers and hashes and by ``texts`` for words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rdagent.evaluation.metrics import NO_FILTER
from rdagent.files import untrusted
from rdagent.files.printable import one_line

#: Fields of a row that are no metrics.
_FIXED = frozenset(
    {
        "doc_id",
        "doc",
        "target",
        "arguments",
        "resps",
        "filtered_resps",
        "filter",
        "metrics",
        "doc_hash",
        "prompt_hash",
        "target_hash",
        "task",
        "task_name",
        "repeat",
    }
)
METRICS_LIMIT = 200
_NAME_LIMIT = 300
_HASH_LIMIT = 200
#: A document's own digest, made here, is never taken for one of lm_eval's.
OWN_HASH = "doc:"
#: What lm_eval's filters put where they find nothing.
_NOTHING = frozenset({"[invalid]", ""})

Row = Mapping[str, Any]

#: A score beyond this is none: sums over it would overflow.
LARGEST = 1e100


def doc_id_of(row: Row) -> int | None:
    """Return the document's number; None when the row has none."""
    value = row.get("doc_id")
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 20:
        return int(value)
    return None


def filter_of(row: Row) -> str:
    """Return the name of the filter that the row's values stand after."""
    value = row.get("filter")
    return _name(value) if isinstance(value, str) and value else NO_FILTER


def values_of(row: Row) -> dict[str, float | None]:
    """Return metric → value; None where the row holds no number."""
    listed = row.get("metrics")
    if isinstance(listed, list):
        names = [name for name in listed if isinstance(name, str) and name not in _FIXED]
    else:
        numbers = (bool, int, float)
        names = [k for k, v in row.items() if k not in _FIXED and isinstance(v, numbers)]
    return {_name(name): _number(row.get(name)) for name in names[:METRICS_LIMIT] if name.strip()}


def _name(text: str) -> str:
    """Return a name as the results have it, unless it is none to look at."""
    fits = len(text) <= _NAME_LIMIT and text.isprintable()
    return text if fits else one_line(text, _NAME_LIMIT)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    number = untrusted.finite_number(value)
    if number is not None and abs(number) > LARGEST:
        return None
    # Most values are right or wrong: these two are not stored once per item.
    return 1.0 if number == 1 else 0.0 if number == 0 else number


def doc_hash_of(row: Row) -> str | None:
    """Return lm_eval's hash of the document, or else our own of the document's content."""
    return _hash(row, "doc_hash") or own_hash_of(row)


def own_hash_of(row: Row) -> str | None:
    """Return the digest of the document's content, whatever the order of its fields."""
    if row.get("doc") is None:
        return None
    try:
        text = json.dumps(row["doc"], sort_keys=True, ensure_ascii=True)
    except RecursionError:
        return None
    return OWN_HASH + hashlib.sha256(text.encode("ascii")).hexdigest()


def hash_is_of_its_document(row: Row) -> bool:
    """Tell whether the row's ``doc_hash`` is what lm_eval makes of the row's own document."""
    try:
        text = json.dumps(row.get("doc"), indent=2, ensure_ascii=False)
    except RecursionError:
        return False
    return _hash(row, "doc_hash") == text_hash(text)


def prompt_hash_of(row: Row) -> str | None:
    """Return the hash of the prompt, worked out as lm_eval does where the row has none."""
    found = _hash(row, "prompt_hash")
    prompt = prompt_of(row) if found is None else None
    return found if prompt is None else text_hash(prompt)


def target_hash_of(row: Row) -> str | None:
    """Return the hash of the target, worked out as lm_eval does where the row has none."""
    found, target = _hash(row, "target_hash"), row.get("target")
    if found is None and isinstance(target, str | int | float):
        return text_hash(str(target))
    return found


def _hash(row: Row, name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and 0 < len(value.strip()) <= _HASH_LIMIT else None


def text_hash(text: str) -> str:
    """Return the hash that lm_eval writes of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def requests_of(row: Row) -> list[list[Any]]:
    """Return the arguments of each request that the row stands on."""
    told = row.get("arguments")
    if isinstance(told, dict):
        told = list(told.values())
    if not isinstance(told, list):
        return []
    found = []
    for request in told:
        values = list(request.values()) if isinstance(request, dict) else request
        found.append(values if isinstance(values, list) else [values])
    return found


def prompt_of(row: Row) -> str | None:
    """Return the prompt of the row's first request."""
    requests = requests_of(row)
    first = requests[0][0] if requests and requests[0] else None
    return first if isinstance(first, str) else None


def settings_of(row: Row) -> Mapping[str, Any] | None:
    """Return what the first request says of generation; None when nothing was generated."""
    requests = requests_of(row)
    told = requests[0][1] if requests and len(requests[0]) > 1 else None
    return told if isinstance(told, dict) else None


def is_generated(row: Row) -> bool:
    """Tell whether the row's answers are texts that the model wrote."""
    requests = requests_of(row)
    if requests:
        return len(requests[0]) > 1 and isinstance(requests[0][1], dict)
    return any(isinstance(answer, str) for answer in _of_first_request(row))


def answers_of(row: Row) -> list[str]:
    """Return the texts that the model wrote for the first request, one per draw."""
    return [answer for answer in _of_first_request(row) if isinstance(answer, str)]


def _of_first_request(row: Row) -> list[Any]:
    resps = row.get("resps")
    if not isinstance(resps, list) or not resps:
        return []
    return resps[0] if isinstance(resps[0], list) else [resps[0]]


def extracted_of(row: Row) -> list[str]:
    """Return what the filter made of the answers."""
    return list(_flat(row.get("filtered_resps")))


def found_nothing(row: Row) -> bool:
    """Tell whether the filter found nothing in any of the answers."""
    extracted = extracted_of(row)
    return bool(extracted) and all(text.strip() in _NOTHING for text in extracted)


def drawn_of(row: Row) -> int:
    """Return how many answers entered the row's values."""
    filtered = row.get("filtered_resps")
    first = filtered[0] if isinstance(filtered, list) and filtered else None
    if isinstance(first, list) and len(first) > 1 and is_generated(row):
        return len(first)
    return 1


def likelihoods_of(row: Row) -> Sequence[float | None]:
    """Return the log-likelihood of each request's continuation."""
    resps = row.get("resps")
    return [_likelihood(one) for one in resps] if isinstance(resps, list) else []


def _likelihood(value: Any) -> float | None:
    while isinstance(value, list):
        if not value:
            return None
        value = value[0]
    try:
        return untrusted.finite_number(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _flat(value: Any) -> Iterator[str]:
    """Yield the texts of nested lists; not by recursion, a stranger nests deeper than Python."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting.extend(reversed(found))
        elif isinstance(found, str | int | float):
            yield str(found)
