"""``rdagent train DIR``: fine-tune as a folder's own ``train.yaml`` says."""

from __future__ import annotations

import argparse
from pathlib import Path

from rdagent.cli.terminal import Terminal
from rdagent.jobs.backends.base import Backend, isolation_note
from rdagent.jobs.backends.choose import choose_backend
from rdagent.training.existing import POLICIES
from rdagent.training.memory import in_gibibytes
from rdagent.training.progress import TrainingProgress
from rdagent.training.rendering import compare_rendering
from rdagent.training.run import Trained, TrainingRequest, plan
from rdagent.training.run import run as run_training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with train.yaml and data")
    parser.add_argument("--base-model", metavar="M", help="instead of model_name_or_path")
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument(
        "--fresh", action="store_true", help="train again even if it was done before"
    )
    parser.add_argument(
        "--existing",
        choices=POLICIES,
        default="fresh",
        help="an output that is there: train anew and keep it as output.previous (fresh), go on"
        " from the newest checkpoint (resume), or refuse (fail)",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the job and start nothing")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Train and say where the adapter is."""
    request = TrainingRequest(
        arguments.folder,
        base_model=arguments.base_model,
        fresh=arguments.fresh,
        existing=arguments.existing,
        timeout_seconds=arguments.timeout,
    )
    planned = plan(request)
    if arguments.dry_run:
        terminal.json(planned.to_json())
        return 0
    for note in planned.notes:
        terminal.note(f"note: {note}")
    backend = choose_backend()
    with terminal.progress("what train runs in") as progress:
        backend.ensure("train", planned.job.accelerator, progress=progress.update)
    trained = train_with_progress(request, backend, terminal)
    rendering = _compare(trained, backend, terminal)
    if terminal.json_only:
        terminal.json({**trained.to_json(), "rendering": list(rendering)})
    else:
        _print(trained, terminal)
        isolation = isolation_note(backend)
        for note in (*rendering, *((isolation,) if isolation else ())):
            terminal.say(f"note: {note}")
    return 0


def _compare(trained: Trained, backend: Backend, terminal: Terminal) -> tuple[str, ...]:
    if trained.base is None or trained.reused:
        return ()
    with terminal.progress("comparing how training and evaluation render a prompt"):
        return compare_rendering(backend, trained.base, trained.adapter, trained.folder)


def train_with_progress(request: TrainingRequest, backend: Backend, terminal: Terminal) -> Trained:
    """Train and show step, loss and the time that is left."""
    with terminal.progress("training") as progress:

        def follow(state: TrainingProgress) -> None:
            progress.update(progress_text(state))

        return run_training(request, backend, follow=follow, say=progress.update)


def progress_text(state: TrainingProgress) -> str:
    """Say how far a training is."""
    text = f"step {state.step}/{state.total_steps}"
    if state.loss is not None:
        text += f", loss {state.loss:.4g}"
    elif state.loss_is_broken:
        text += ", loss is not a number"
    if state.eta_seconds is not None:
        text += f", {state.eta_seconds:.0f} s left"
    return text


def summary(trained: Trained) -> str:
    """Say in one line what a training did."""
    result = trained.result
    text = f"{result.steps} steps in {result.seconds:.0f} s"
    if result.first_loss is not None and result.final_loss is not None:
        text += f", loss {result.first_loss:.3f} to {result.final_loss:.3f}"
    return text


def _memory(trained: Trained) -> str:
    expected, peak = trained.expected, trained.result.peak_memory_bytes
    taken = f"; {in_gibibytes(peak)} GiB were taken" if peak else ""
    return f"memory expected: {expected.line()}{taken}" if expected else f"memory unknown{taken}"


def _print(trained: Trained, terminal: Terminal) -> None:
    again = " (was done before; --fresh trains again)" if trained.reused else ""
    terminal.say(summary(trained) + again)
    terminal.say(f"  {_memory(trained)}")
    for line in trained.result.learned.lines() if trained.result.learned else ():
        terminal.say(f"  {line}")
    for override in trained.result.overrides:
        terminal.say(f"  {override.key}: {override.old!r} became {override.new!r}: {override.why}")
    if trained.skipped:
        terminal.say(f"  left in the run's folder: {', '.join(trained.skipped)}")
    terminal.say(f"adapter {trained.adapter}")
    terminal.say(f"run     {trained.run_id}")
    terminal.say(f"        {trained.folder}")
