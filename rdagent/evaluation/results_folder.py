"""A folder of a user's choice with a copy of what an evaluation scored.

``DIR/evaluation.json`` is the document that ``--json`` prints; each variant has a
folder beside it with its results and samples.  Used by the command line.
"""

from __future__ import annotations

import os
from pathlib import Path

from rdagent.errors import RefusedError
from rdagent.evaluation.publish import publish_results
from rdagent.evaluation.record import Evaluation
from rdagent.files import atomic

EVALUATION_FILE = "evaluation.json"


def require_usable(folder: Path) -> None:
    """Raise RefusedError, before anything starts, for a folder that cannot be written to."""
    place = folder
    while not place.exists() and not place.is_symlink():
        place = place.parent
    if folder.is_symlink() or not place.is_dir() or not os.access(place, os.W_OK):
        raise RefusedError(
            f"results cannot be written to {folder}: {place} is no folder that we may write to",
            hint="Give --out a folder, or a name where one can be made.",
        )


def copy_results(evaluation: Evaluation, folder: Path) -> None:
    """Copy every variant's results; files of an earlier copy are replaced, others stay."""
    for variant in evaluation.variants:
        publish_results(variant.folder, folder / variant.name)
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_json(folder / EVALUATION_FILE, evaluation.to_json())
