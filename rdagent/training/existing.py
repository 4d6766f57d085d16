"""What happens to an output that is there already: one policy, decided before anything starts.

``fresh`` trains from the beginning; the former output stays as ``output.previous``.
``resume`` goes on from the newest whole checkpoint.  ``fail`` refuses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from rdagent.errors import RefusedError, ResultError
from rdagent.jobs.runs import load_run
from rdagent.jobs.spec import Mount
from rdagent.training.overrides import ADAPTER_FOLDER
from rdagent.training.publish import OUTPUT_FOLDER

Existing = Literal["fresh", "resume", "fail"]
POLICIES: tuple[Existing, ...] = ("fresh", "resume", "fail")
MOUNT_NAME = "checkpoint"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_STATE = "trainer_state.json"
_OPTIMIZER = "optimizer.pt"


def refuse_existing(workspace: Path) -> None:
    """Raise RefusedError when the workspace has an output already."""
    output = workspace / OUTPUT_FOLDER
    if os.path.lexists(output):
        raise RefusedError(
            f"{output} exists already",
            hint="Move it away; or train with --existing fresh, which keeps it as"
            f" {OUTPUT_FOLDER}.previous.",
        )


def find_checkpoint(
    workspace: Path, runs: Path, identity: str, named: str | None = None
) -> Path | None:
    """Return the newest whole checkpoint: named in the file, of this training, in the output."""
    if named is not None:
        folder = workspace / named
        if not _is_whole(folder):
            raise RefusedError(
                f"resume_from_checkpoint is {folder}, which is no whole checkpoint",
                hint=f"It needs {_STATE}, {_OPTIMIZER} and weights as safetensors.",
            )
        return folder
    return newest_checkpoint((*_earlier_outputs(runs, identity), workspace / OUTPUT_FOLDER))


def require_checkpoint(found: Path | None, workspace: Path) -> Path:
    """Return it; raises RefusedError when there is nothing to go on from."""
    if found is None:
        raise RefusedError(
            f"there is no checkpoint to resume from, neither of an earlier run of this training"
            f" nor in {workspace / OUTPUT_FOLDER}",
            hint="Checkpoints are written every save_steps, with their optimizer unless"
            " save_only_model is true. Train with --existing fresh.",
        )
    return found


def newest_checkpoint(places: Iterable[Path]) -> Path | None:
    """Return the whole checkpoint with the most steps in the first place that has one."""
    for place in places:
        found = [path for path in _checkpoints(place) if _is_whole(path)]
        if found:
            return max(found, key=_steps)
    return None


def mount_of(checkpoint: Path) -> Mount:
    """Return the mount under which a job sees a checkpoint."""
    return Mount(MOUNT_NAME, str(checkpoint.absolute()), f"/workspace/{checkpoint.name}")


def _earlier_outputs(runs: Path, identity: str) -> Iterator[Path]:
    for run in sorted(runs.glob(f"*-{identity[:8]}*"), reverse=True):
        try:
            if load_run(run).identity() != identity:
                continue
        except ResultError:
            continue
        for attempt in sorted(run.glob("attempts/*"), reverse=True):
            yield attempt / "out" / ADAPTER_FOLDER


def _checkpoints(place: Path) -> list[Path]:
    if place.is_symlink() or not place.is_dir():
        return []
    return [path for path in place.iterdir() if _CHECKPOINT.fullmatch(path.name)]


def _steps(path: Path) -> int:
    match = _CHECKPOINT.fullmatch(path.name)
    return int(match.group(1)) if match else 0


def _is_whole(folder: Path) -> bool:
    """Tell whether a training can go on from a folder: weights, optimizer, and where it was."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    # The state is written last.
    named = [folder / name for name in (_STATE, _OPTIMIZER)]
    weights = list(folder.glob("*.safetensors"))
    return bool(weights) and all(
        path.is_file() and not path.is_symlink() and path.stat().st_size
        for path in (*named, *weights)
    )
