"""Find results files in a folder that something else wrote: the newest last.

lm_eval puts the time into names, below a folder named after the model; others write
whatever they like.  No link is followed.  Used by ``operands``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rdagent.comparison.lines import parse_lenient
from rdagent.errors import ResultError
from rdagent.files import untrusted

#: The local time in names of lm_eval's files.
STAMP = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
_STAMPED = re.compile(rf"_({STAMP})(?=\.jsonl?$|$)")
_RESULTS = re.compile(rf"results(_{STAMP})?\.json")
_DEPTH = 3
_FILES_LIMIT = 20_000
#: Of files whose name says nothing this many are opened, the newest first.
_OPENED_LIMIT = 200
_NAMED = 10


def results_in(folder: Path) -> list[Path]:
    """Return the results files in a folder, the newest last.

    Files that are named as lm_eval names them go before any other JSON file with results.
    """
    files = [path for path in _files(folder) if path.suffix == ".json"]
    named = [path for path in files if _RESULTS.fullmatch(path.name)]
    named = named or [path for path in files if stamp_of(path.name) and _holds_results(path)]
    if not named:
        newest = sorted(files, key=_age)[-_OPENED_LIMIT:]
        named = [path for path in newest if _holds_results(path)]
    return sorted(named, key=_age)


def folders_in(folder: Path) -> list[str]:
    """Return the names of the folders that were searched, the first ones."""
    found = [str(folder)]
    for path, names, _ in _walk(folder):
        found.extend(str(Path(path) / name) for name in names)
    more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return found[:_NAMED] + more


def stamp_of(name: str) -> str | None:
    """Return the time in a file's name."""
    found = _STAMPED.search(name)
    return found.group(1) if found else None


def without_stamp(stem: str) -> str:
    """Return a file's name without the time in it."""
    return _STAMPED.sub("", stem)


def read_document(path: Path) -> Mapping[str, Any]:
    """Return a results file's content; raises ResultError when it is none."""
    document = parse_lenient(untrusted.read_bytes(path), path.name)
    if not isinstance(document, dict) or not isinstance(document.get("results"), dict):
        raise ResultError(
            f"{path.name} holds no results",
            hint=f"expected a JSON object with an entry 'results', at {path}",
        )
    return document


def is_scores_alone(document: Mapping[str, Any], folder: Path) -> bool:
    """Tell whether results are scores without settings, and no samples lie beside them."""
    if any(key in document for key in ("config", "configs", "versions", "n-samples")):
        return False
    return not any(folder.glob("samples_*.jsonl"))


def _holds_results(path: Path) -> bool:
    try:
        read_document(path)
    except ResultError:
        return False
    return True


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path, _, names in _walk(folder):
        for name in sorted(names):
            place = Path(path) / name
            if place.is_file() and not place.is_symlink():
                found.append(place)
            if len(found) >= _FILES_LIMIT:
                return found
    return found


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    depth = len(folder.parts) + _DEPTH
    for path, names, files in os.walk(folder):
        names[:] = sorted(n for n in names if not n.startswith(".")) if _depth(path) < depth else []
        yield path, names, files


def _depth(path: str) -> int:
    return len(Path(path).parts)


def _age(path: Path) -> tuple[str, str]:
    """Return what sorts by time: the time in the name, else that of the last change."""
    stamp = stamp_of(path.name)
    if stamp is None:
        # As lm_eval writes it, in local time, so that both kinds sort together.
        changed = datetime.fromtimestamp(path.stat().st_mtime)  # noqa: DTZ006
        stamp = changed.isoformat().replace(":", "-")
    return stamp, str(path)
