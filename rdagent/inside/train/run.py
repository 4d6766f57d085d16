"""One training: configuration, device, LLaMA-Factory in this process, results, commit mark.

LLaMA-Factory is called through its own function and not patched.  Whatever ends the
training, ``train.json`` and then ``status.json`` are written.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rdagent.errors import JobFailed, RefusedError
from rdagent.inside.train import failures, rendering, workers
from rdagent.inside.train.callback import make_callback
from rdagent.inside.train.configuration import (
    Configuration,
    Override,
    read_configuration,
    refuse_unknown_keys,
)
from rdagent.inside.train.device import device_overrides, probe, refuse_several
from rdagent.inside.train.outcome import Training, write_result
from rdagent.inside.train.preflight import examine, say
from rdagent.inside.train.whole import refuse_cut_rows
from rdagent.records.requests import TrainRequest
from rdagent.records.status import InsideStatus

ADAPTER_FOLDER = "adapter"
ASKED = "asked for beside the file"


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """A training that is over, and not yet committed."""

    training: Training
    status: InsideStatus


def train(request: TrainRequest) -> Ended:
    """Train; raises nothing that a training can raise."""
    training = Training()
    started = time.monotonic()
    try:
        Path(request.output).mkdir(parents=True, exist_ok=True)
        _train(request, training)
        status = InsideStatus("ok", _summary(training))
    except BaseException as error:
        # The outermost place: everything that ends a training becomes a status.
        if not failures.is_expected(error):
            traceback.print_exc()
        status = failures.describe(error)
    training.seconds["total"] = time.monotonic() - started
    return Ended(training, status)


def commit(request: TrainRequest, ended: Ended) -> InsideStatus:
    """Write ``train.json`` and then ``status.json``; a full disk is told, not raised."""
    output = Path(request.output)
    try:
        write_result(output, ended.training)
        ended.status.write(output)
    except OSError as error:
        _say(f"the result cannot be written: {error}")
        return ended.status if ended.status.reason != "ok" else failures.describe(error)
    return ended.status


def _summary(training: Training) -> str:
    watch = training.watch
    if not watch.points:
        return f"trained {watch.steps} steps; no loss was logged"
    first, last = watch.points[0].loss, watch.points[-1].loss
    return f"trained {watch.steps} steps, loss {first} to {last}"


def _train(request: TrainRequest, training: Training) -> None:
    configuration = _asked(request)
    os.chdir(request.folder)
    theirs = workers.see_one_device(os.environ, request.processes)
    with _timed(training, "start"):
        training.device = probe()
        refuse_several(training.device)
        wanted = device_overrides(configuration.values, training.device)
        configuration = configuration.with_overrides(wanted)
        training.applied = configuration.applied
        for applied in configuration.applied:
            _say(applied.line())
        from llamafactory.train.tuner import run_exp

        refuse_unknown_keys(configuration.values, _known_keys())
    with _timed(training, "preflight"):
        # What shards a model over devices is for the workers, and refused in one process.
        looked_at = workers.of_one_process(configuration.values, request.processes)
        examined = examine(looked_at, Path(request.output))
        say(examined.found)
        if request.row_names is not None:
            refuse_cut_rows(looked_at, Path(request.row_names))
    training.watch.trusts_gradients = not configuration.values.get("fp16")
    with _timed(training, "train"):
        if request.processes > 1:
            training.peak_memory_bytes = workers.train(
                configuration.values,
                training.watch,
                processes=request.processes,
                device=training.device.kind,
                variables=theirs,
            )
        else:
            run_exp(dict(configuration.values), [make_callback(training.watch)])
    adapter = Path(request.output) / ADAPTER_FOLDER
    _require_weights(adapter)
    if examined.rendering is not None:
        rendering.write(examined.rendering, adapter)
    if examined.trained_on is not None:
        examined.trained_on.write(adapter)


def _asked(request: TrainRequest) -> Configuration:
    configuration = read_configuration(Path(request.config))
    if not configuration.values.get("do_train"):
        raise RefusedError(f"{request.config} does not train", hint="Add 'do_train: true'.")
    asked = {key: Override(value, ASKED) for key, value in request.overrides.items()}
    asked["output_dir"] = Override(f"{request.output}/{ADAPTER_FOLDER}", ASKED)
    return configuration.with_overrides(asked)


def _known_keys() -> set[str]:
    from llamafactory import hparams

    groups: tuple[Any, ...] = (
        hparams.ModelArguments,
        hparams.DataArguments,
        hparams.TrainingArguments,
        hparams.FinetuningArguments,
        hparams.GeneratingArguments,
    )
    return {field.name for group in groups for field in dataclasses.fields(group) if field.init}


def _require_weights(folder: Path) -> None:
    weights = folder.glob("*.safetensors") if folder.is_dir() else ()
    if not any(path.stat().st_size for path in weights):
        raise JobFailed(
            f"the training ended and left no weights in {folder.name}",
            reason="results_missing",
            exit_code=6,
        )


@contextmanager
def _timed(training: Training, phase: str) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        training.seconds[phase] = time.monotonic() - started


def _say(line: str) -> None:
    print(f"train: {line}", file=sys.stderr, flush=True)
