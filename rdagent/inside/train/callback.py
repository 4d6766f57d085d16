"""Connect ``watch`` to the trainer: the only module that knows the trainer's events."""

from __future__ import annotations

from typing import Any

from rdagent.inside.train.watch import SAMPLED_ROWS, Watch


def make_callback(watch: Watch) -> Any:
    """Return the trainer's callback; the class is made here because its base is heavy to import."""
    from transformers import TrainerCallback

    class WatchCallback(TrainerCallback):
        """Raises from an event that follows the log, so that LLaMA-Factory logs it too."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            watch.examine(sample_labels(given.get("train_dataloader")))

        def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            watch.log(state.global_step, given.get("logs") or {})

        def on_step_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            watch.stop_if_diverged()

        def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            watch.stop_if_diverged()

    return WatchCallback()


def sample_labels(loader: Any) -> list[list[int]]:
    """Return the labels of some examples, evenly spread; none where there are none to see."""
    dataset = getattr(loader, "dataset", None)
    try:
        count = len(dataset)  # type: ignore[arg-type]
        step = max(1, count // SAMPLED_ROWS)
        rows = [dataset[place] for place in range(0, count, step)]  # type: ignore[index]
    except TypeError:
        # A streamed data set has no length and is read once only.
        return []
    return [list(row["labels"]) for row in rows if "labels" in row]
