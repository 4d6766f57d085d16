"""What makes two requests to a model the same: the key that a ledger answers by.

The task and the document are no part of it, so equal requests are answered once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from rdagent.errors import RefusedError

KEY_VERSION = 1
Kind = Literal["loglikelihood", "rolling", "generate", "sample"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: What lm_eval calls the kinds: the names of a model's methods.
KIND_OF_METHOD: Mapping[str, Kind] = {
    "loglikelihood": "loglikelihood",
    "loglikelihood_rolling": "rolling",
    "generate_until": "generate",
}


def request_key(kind: Kind, arguments: Sequence[Any]) -> str:
    """Return the key of a request; raises RefusedError for arguments that are no plain data.

    ASCII escapes let lone surrogates pass; ``1``, ``1.0`` and ``true`` differ.
    """
    try:
        text = canonical([KEY_VERSION, kind, list(arguments)])
    except (TypeError, ValueError) as error:
        raise RefusedError(
            f"a request holds more than text and numbers: {error}",
            hint="tasks with images or sound are not evaluated here",
        ) from error
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def canonical(document: Any) -> str:
    """Return JSON that is the same for the same data, whoever writes it."""
    return json.dumps(
        document, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":")
    )


def digest_of(document: Any) -> str:
    """Return the digest of plain data."""
    return hashlib.sha256(canonical(document).encode("ascii")).hexdigest()


def is_sampled(kind: Kind, arguments: Sequence[Any]) -> bool:
    """Tell whether an answer is drawn; what does not say so is greedy on every engine."""
    if kind == "sample":
        return True
    if kind != "generate":
        return False
    told: Mapping[str, Any] = arguments[1]
    wanted = told.get("do_sample")
    if wanted is None:
        return float(told.get("temperature") or 0.0) > 0.0
    return bool(wanted)


def request_seed(key: str, draw: int, seed: int) -> int:
    """Return the seed of one drawn answer: its own, whatever was drawn before it."""
    drawn = hashlib.sha256(f"{key}:{draw}:{seed}".encode("ascii")).digest()
    return int.from_bytes(drawn[:4], "big") & 0x7FFFFFFF
