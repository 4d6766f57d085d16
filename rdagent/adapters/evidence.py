"""What a training left beside its adapter: whether it ended, and how its loss went."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rdagent.adapters.files import WEIGHTS_FILE
from rdagent.adapters.header import Unreadable, read_small
from rdagent.adapters.problems import Problem, problem

STATE_FILE = "trainer_state.json"
#: What a run writes at its end, after or with the weights.
_LAST_FILES = (STATE_FILE, "train_results.json", "all_results.json")
_LIMIT = 256 << 20
_STALE_SECONDS = 600.0
#: This many times the first loss is no longer the noise of single batches.
_ROSE = 1.2


def check_evidence(folder: Path) -> Iterator[Problem]:
    """Say what the trainer's own record says; an adapter without one is none the worse."""
    yield from _stale(folder)
    path = folder / STATE_FILE
    if not path.exists() and not path.is_symlink():
        return
    try:
        # The trainer writes NaN as such, which is no JSON.
        state = json.loads(read_small(path, _LIMIT))
    except Unreadable as error:
        yield problem("trainer_state_invalid", error.problem.message)
        return
    except (ValueError, RecursionError) as error:
        yield problem("trainer_state_invalid", f"{STATE_FILE} is not JSON: {error}")
        return
    if not isinstance(state, dict):
        yield problem("trainer_state_invalid", f"{STATE_FILE} is not an object")
        return
    yield from _partial(state)
    yield from _losses(state)


def _partial(state: Mapping[str, Any]) -> Iterator[Problem]:
    done, wanted = state.get("global_step"), state.get("max_steps")
    if not isinstance(done, int) or not isinstance(wanted, int):
        return
    if done < wanted:
        yield problem("training_partial", f"step {done} of {wanted}")


def _losses(state: Mapping[str, Any]) -> Iterator[Problem]:
    history = state.get("log_history")
    rows = [row for row in history if isinstance(row, dict)] if isinstance(history, list) else []
    losses = [row["loss"] for row in rows if _is_number(row.get("loss"))]
    norms = [row["grad_norm"] for row in rows if _is_number(row.get("grad_norm"))]
    if not losses:
        return
    for what, values in (("loss", losses), ("grad_norm", norms)):
        if values and not math.isfinite(values[-1]):
            yield problem("training_diverged", f"the last {what} is {values[-1]}")
            return
    if not all(map(math.isfinite, losses)):
        yield problem("loss_rose", "a loss on the way is no number")
    elif len(losses) > 1 and losses[-1] == 0.0:
        yield problem("loss_zero", f"the last of {len(losses)} logged losses is 0")
    elif len(losses) > 2 and losses[-1] > losses[0] * _ROSE:
        yield problem("loss_rose", f"the loss went from {losses[0]:.4g} to {losses[-1]:.4g}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stale(folder: Path) -> Iterator[Problem]:
    weights = _modified(folder / WEIGHTS_FILE)
    ends = [(found, name) for name in _LAST_FILES if (found := _modified(folder / name))]
    if weights is None or not ends:
        return
    last, name = max(ends)
    if last - weights > _STALE_SECONDS:
        minutes = (last - weights) / 60
        yield problem("weights_stale", f"the weights are {minutes:.0f} min older than {name}")


def _modified(path: Path) -> float | None:
    try:
        return path.lstat().st_mtime
    except OSError:
        return None
