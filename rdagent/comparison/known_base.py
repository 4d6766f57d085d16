"""The base model's answers to what an adapter was just asked, if some run has them.

Nothing is guessed: the base has to be the very model that the adapter was put on, served
by the same engine in the same way.  Whether both were asked the same, the guard tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.evaluation.answers import IDENTITY_FILE
from rdagent.evaluation.publish import RESULTS_FILE
from rdagent.files import untrusted
from rdagent.records.requests import BASE_VARIANT
from rdagent.records.status import STATUS_FILE

#: Facts of an identity in which a base and its adapter may differ.
_OWN = frozenset({"adapter", "merged", "max_lora_rank", "name"})


def known_bases(root: Path, variant: Path) -> Iterator[Path]:
    """Yield the folders of the base's results, those of the variant's own run first."""
    facts = _facts(variant)
    if facts is None or facts.get("adapter") is None:
        return
    runs = sorted((run for run in root.iterdir() if not run.name.startswith(".")), reverse=True)
    own = variant.parent.parent
    for run in (own, *(run for run in runs if run != own)):
        folder = run / "variants" / BASE_VARIANT
        if not (folder / RESULTS_FILE).is_file() or not (run / STATUS_FILE).is_file():
            continue
        if _is_base_of(_facts(folder), facts):
            yield folder


def _is_base_of(base: Mapping[str, Any] | None, facts: Mapping[str, Any]) -> bool:
    if base is None or base.get("adapter") is not None:
        return False
    names = (base.keys() | facts.keys()) - _OWN
    return all(base.get(name) == facts.get(name) for name in names)


def _facts(folder: Path) -> Mapping[str, Any] | None:
    try:
        document = untrusted.read_json(folder / IDENTITY_FILE)
    except ResultError:
        return None
    facts = document.get("of") if isinstance(document, dict) else None
    return facts if isinstance(facts, dict) else None
