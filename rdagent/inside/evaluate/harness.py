"""Run lm_eval with one of our models in the model's place, always alike.

Planning and scoring must see the same requests, so both come here.  A limit that draws
documents is not told to lm_eval: everything is planned, and the rest is dropped later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdagent.inside.evaluate import generation, templates
from rdagent.records.requests import EvaluateRequest

if TYPE_CHECKING:
    from rdagent.inside.evaluate.selection import Selection


@dataclass(frozen=True, slots=True)
class Told:
    """What lm_eval writes into its results of the model that answered."""

    model_args: Mapping[str, Any] | None = None
    batch_size: str | None = None
    device: str | None = None


def run(
    request: EvaluateRequest,
    selection: Selection,
    lm: Any,
    *,
    chat: bool,
    told: Told | None = None,
) -> dict[str, Any]:
    """Return lm_eval's results; the random numbers are those after the tasks were loaded."""
    from lm_eval import evaluator

    told = told or Told()
    templates.compile_once()
    with _environment_said_once():
        results: dict[str, Any] = evaluator.simple_evaluate(
            model=lm,
            model_args=dict(told.model_args) if told.model_args is not None else None,
            tasks=list(request.tasks),
            task_manager=_Loaded(selection),
            num_fewshot=request.num_fewshot,
            batch_size=told.batch_size,
            device=told.device,
            limit=None if request.sample == "random" else request.limit,
            gen_kwargs=generation.gen_kwargs(request),
            system_instruction=request.system_prompt,
            apply_chat_template=chat,
            log_samples=True,
            # Seeded before the tasks were loaded, as lm_eval does, and restored by ``_Loaded``.
            random_seed=None,
            numpy_random_seed=None,
            torch_random_seed=None,
            fewshot_random_seed=request.seed,
        )
    seeds = dict.fromkeys(("random_seed", "numpy_seed", "torch_seed"), request.seed)
    # What lm_eval itself never writes stands there only where it says something.
    asked = {name: value for name, value in documents_asked(request).items() if value != "first"}
    results["config"] |= {**seeds, "limit": request.limit}
    results["config"] |= {name: value for name, value in asked.items() if value is not None}
    return results


def documents_asked(request: EvaluateRequest) -> dict[str, Any]:
    """Return which documents were asked: a reader must not take some for all."""
    subset = Path(request.subset).stem if request.subset else None
    return {"limit": request.limit, "sample": request.sample, "subset": subset}


class _Loaded:
    """Stands in a task manager's place: tasks are loaded once, and run as if just loaded.

    lm_eval draws while it loads, be it for nothing but a name that it throws away.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self.task_index = selection.manager.task_index

    def load(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what was loaded; random numbers are those that came next then."""
        self._selection.randomness.restore()
        return {kind: dict(found) for kind, found in self._selection.loaded.items()}


@contextmanager
def _environment_said_once() -> Iterator[None]:
    """Let lm_eval describe the machine once: it takes half a second and says the same each time."""
    from lm_eval import evaluator

    describe = evaluator.add_env_info

    def described(storage: dict[str, Any]) -> None:
        storage.update(_environment(describe))

    evaluator.add_env_info = described
    try:
        yield
    finally:
        evaluator.add_env_info = describe


@cache
def _environment(describe: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    describe(found)
    return found


@dataclass(frozen=True, slots=True)
class Randomness:
    """The state of the generators that tasks draw from."""

    python: Any
    numpy: Any
    torch: Any

    @classmethod
    def now(cls) -> Randomness:
        """Return the state as it is."""
        import random

        import numpy
        import torch

        return cls(random.getstate(), numpy.random.get_state(), torch.random.get_rng_state())

    def restore(self) -> None:
        """Let everything be drawn again from here."""
        import random

        import numpy
        import torch

        random.setstate(self.python)
        numpy.random.set_state(self.numpy)
        torch.random.set_rng_state(self.torch)


def seed_all(seed: int) -> None:
    """Seed what tasks draw from while they are loaded."""
    import random

    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
