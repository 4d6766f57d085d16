"""Copy a variant's results out of what a container wrote, whole and under stable names.

Called by ``run`` for the run folder and by the evaluator for a workspace.  The source
is a stranger's: no link is followed, sizes are capped.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from rdagent.errors import ResultError
from rdagent.files import atomic, untrusted

RESULTS_FILE = "results.json"
VARIANT_FILE = "variant.json"
SAMPLES_PATTERN = re.compile(r"samples_[A-Za-z0-9_.:+-]{1,200}\.jsonl")
SAMPLES_LIMIT = 2048 * untrusted.MEBIBYTE
FILES_LIMIT = 20_000


def publish_results(source: Path, target: Path) -> tuple[Path, ...]:
    """Copy ``results.json``, the samples and ``variant.json`` from ``source`` to ``target``.

    A reader of ``target`` sees each file old or new, never a part; ``results.json``
    changes last, and samples of earlier results are gone.  Raises ResultError when
    ``source`` holds no results or something that is not a plain file.
    """
    for folder in (source, source.parent):
        if folder.is_symlink() or not folder.is_dir():
            raise ResultError(f"{folder.name} is not a folder of results", hint=f"at {folder}")
    if target.is_symlink():
        raise ResultError(f"{target} is a link; results are not written through it")
    names = _names(source)
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        atomic.copy_untrusted(source / name, target / name, _limit(name))
    _remove_stale(target, set(names))
    return tuple(target / name for name in names)


def _names(source: Path) -> list[str]:
    found = sorted(entry.name for entry in os.scandir(source))
    if RESULTS_FILE not in found:
        raise ResultError(f"{RESULTS_FILE} is missing", hint=f"expected at {source / RESULTS_FILE}")
    samples = [name for name in found if SAMPLES_PATTERN.fullmatch(name)]
    if len(samples) > FILES_LIMIT:
        raise ResultError(f"{len(samples)} files of samples; at most {FILES_LIMIT} are taken")
    variant = [VARIANT_FILE] if VARIANT_FILE in found else []
    return [*samples, *variant, RESULTS_FILE]


def _limit(name: str) -> int:
    return SAMPLES_LIMIT if name.endswith(".jsonl") else untrusted.JSON_LIMIT


def _remove_stale(target: Path, kept: set[str]) -> None:
    for entry in os.scandir(target):
        ours = SAMPLES_PATTERN.fullmatch(entry.name) or entry.name == VARIANT_FILE
        if ours and entry.name not in kept and not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)
