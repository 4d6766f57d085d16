"""``rdagent homebench sft``: tune a model on training records, with the prompts of ``run``."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from rdagent.cli.terminal import Terminal
from rdagent.cli.train import summary as training_summary
from rdagent.cli.train import train_with_progress
from rdagent.core.settings import finetune_settings
from rdagent.errors import UsageError
from rdagent.jobs.backends.choose import choose_backend
from rdagent.jobs.gpus import visible_gpus
from rdagent.models.resolve import resolve_model
from rdagent.suites.homebench import sft
from rdagent.suites.homebench.asking import DEFAULT_SHOTS, Asking
from rdagent.suites.homebench.names import ModelName, known_models, model_name
from rdagent.suites.homebench.prompts import MODES, STYLES
from rdagent.suites.homebench.retrieval.retrievers import DEFAULT_TOP_K, WITHOUT_MODEL
from rdagent.suites.homebench.sft_rows import Rows, select_rows
from rdagent.suites.homebench.suite import data_folder
from rdagent.training.rendering import compare_rendering
from rdagent.training.run import Trained, TrainingRequest, plan

_USUAL = sft.Tuning()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--model_name",
        "--model",
        required=True,
        metavar="M",
        help=f"{', '.join(known_models())}, a folder, or a model's name",
    )
    _add_rows(parser.add_argument_group("what it is trained on"))
    _add_tuning(parser.add_argument_group("how it is trained"))
    run = parser.add_argument_group("the run")
    run.add_argument("--nproc_per_node", "--nproc-per-node", type=int, metavar="N",
        help="processes that train together, each with a GPU where there are any; default:"
        " as many as --cuda_devices names, else 1")  # fmt: skip
    run.add_argument(
        "--cuda_devices", "--cuda-devices", metavar="0,1", help="the GPUs that may be used"
    )
    run.add_argument("--workspace", type=Path, metavar="DIR", help="(model_output/<model>.sft)")
    run.add_argument("--out", type=Path, metavar="DIR", help="(model_output/<model>)")
    run.add_argument("--timeout", type=float, metavar="SECONDS")
    again = run.add_mutually_exclusive_group()
    again.add_argument("--fresh", action="store_true", help="train again even if it was done")
    again.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    run.add_argument(
        "--dry-run", action="store_true", help="write the workspace, show the job, start nothing"
    )
    run.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_rows(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data-dir", type=Path, metavar="DIR", help="default: dataset/")
    group.add_argument("--mode", choices=MODES, default="zero-shot", help="as in run")
    group.add_argument("--style", choices=STYLES, default="released", help="as in run")
    group.add_argument("--shots", type=int, choices=range(1, 6), default=DEFAULT_SHOTS)
    group.add_argument("--retriever", choices=sorted(WITHOUT_MODEL), default="lexical")
    group.add_argument("--top-k", type=int, default=DEFAULT_TOP_K, metavar="K")
    group.add_argument("--limit", type=int, metavar="N", help="draw so many records")
    group.add_argument(
        "--turns",
        type=int,
        default=1,
        metavar="N",
        help="ask a home N times in a row of the data: it is read once for all of them",
    )
    group.add_argument(
        "--balance", action="store_true", help="as many records of every category, if there are"
    )
    group.add_argument("--exclude-audited", action="store_true", help="leave out faulty records")
    group.add_argument(
        "--exclude-leaks", action="store_true", help="leave out what test or validation asks too"
    )
    group.add_argument("--seed", type=int, default=_USUAL.seed)


def _add_tuning(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--batch_size", "--batch-size", type=int, default=_USUAL.batch_size)
    group.add_argument("--grad_accum", "--grad-accum", type=int, default=_USUAL.grad_accum)
    group.add_argument("--epochs", type=float, default=_USUAL.epochs)
    group.add_argument("--lr", type=float, default=_USUAL.learning_rate)
    group.add_argument("--rank", type=int, default=_USUAL.rank, help="of the LoRA matrices")
    group.add_argument("--alpha", type=int, help="(twice the rank)")
    group.add_argument("--dropout", type=float, default=_USUAL.dropout)
    group.add_argument(
        "--cutoff", type=int, metavar="TOKENS", help=f"({sft.CUTOFF}, or the model's own length)"
    )
    group.add_argument(
        "--gradient-checkpointing",
        choices=("auto", "on", "off"),
        default="auto",
        help="less memory, more time; auto: with a GPU",
    )
    group.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any key of LLaMA-Factory's"
    )


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write the workspace, train it, put the adapter where ``run --use_finetuned`` looks."""
    processes = _processes(arguments)
    name = model_name(arguments.model_name)
    target: Path = arguments.out or name.adapter
    rows = select_rows(
        _asking(arguments),
        turns=arguments.turns,
        balance=arguments.balance,
        exclude_leaks=arguments.exclude_leaks,
    )
    _say_rows(rows, terminal)
    workspace = _write(arguments, rows, name)
    request = TrainingRequest(
        workspace,
        base_model=name.model,
        fresh=arguments.fresh,
        existing="resume" if arguments.resume else "fresh",
        timeout_seconds=arguments.timeout,
        processes=processes,
        row_names=sft.NAMES,
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
    previous = sft.place_adapter(trained.adapter, target)
    rendering: tuple[str, ...] = ()
    if trained.base is not None and not trained.reused:
        with terminal.progress("comparing how training and evaluation render a prompt"):
            rendering = compare_rendering(backend, trained.base, trained.adapter, trained.folder)
    if terminal.json_only:
        document = {**sft.summary(rows), "adapter": str(target), "training": trained.to_json()}
        terminal.json({**document, "rendering": list(rendering)})
        return 0
    _print(trained, target, previous, terminal)
    for note in rendering:
        terminal.say(f"note: {note}")
    terminal.say(f"measure it: {_next(arguments, rows, target, name)}")
    return 0


def _processes(arguments: argparse.Namespace) -> int:
    devices = 1
    if arguments.cuda_devices is not None:
        words = [word.strip() for word in arguments.cuda_devices.split(",") if word.strip()]
        if not words or not all(word.isdecimal() for word in words):
            raise UsageError(
                f"--cuda_devices {arguments.cuda_devices}: numbers with commas are expected, as 0,1"
            )
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(words)
        devices = len(words)
    processes = devices if arguments.nproc_per_node is None else arguments.nproc_per_node
    if processes < 1:
        raise UsageError(f"--nproc_per_node {processes}: a number from 1 is expected")
    return int(processes)


def _asking(arguments: argparse.Namespace) -> Asking:
    return Asking(
        mode=arguments.mode,
        data=arguments.data_dir or data_folder(),
        shots=arguments.shots,
        retriever=arguments.retriever,
        top_k=arguments.top_k,
        limit=arguments.limit,
        exclude_audited=arguments.exclude_audited,
        style=arguments.style,
        seed=arguments.seed,
    )


def _say_rows(rows: Rows, terminal: Terminal) -> None:
    homes = len({record.home_id for record in rows.asked.records})
    counts = ", ".join(f"{name} {count}" for name, count in rows.categories.items())
    terminal.note(f"{len(rows.asked.records)} records of {homes} homes: {counts}")
    for note in rows.notes():
        terminal.note(f"note: {note}")


def _write(arguments: argparse.Namespace, rows: Rows, name: ModelName) -> Path:
    checkpointing = arguments.gradient_checkpointing
    tuning = sft.Tuning(
        batch_size=arguments.batch_size,
        grad_accum=arguments.grad_accum,
        epochs=arguments.epochs,
        learning_rate=arguments.lr,
        rank=arguments.rank,
        alpha=arguments.alpha,
        dropout=arguments.dropout,
        cutoff=arguments.cutoff,
        gradient_checkpointing=bool(visible_gpus())
        if checkpointing == "auto"
        else checkpointing == "on",
        seed=arguments.seed,
        more=sft.read_more(arguments.set),
    )
    model = resolve_model(name.model, finetune_settings().file_path / "models")
    workspace: Path = arguments.workspace or sft.workspace_of(name)
    sft.write_workspace(workspace, rows, tuning, name, model.context_length)
    return workspace


def _print(trained: Trained, target: Path, previous: Path | None, terminal: Terminal) -> None:
    again = " (was done before; --fresh trains again)" if trained.reused else ""
    terminal.say(training_summary(trained) + again)
    for line in trained.result.learned.lines() if trained.result.learned else ():
        terminal.say(f"  {line}")
    for override in trained.result.overrides:
        terminal.say(f"  {override.key}: {override.old!r} became {override.new!r}: {override.why}")
    terminal.say(f"adapter {target}" + (f" (the former one: {previous})" if previous else ""))
    terminal.say(f"run     {trained.run_id}")


def _next(arguments: argparse.Namespace, rows: Rows, target: Path, name: ModelName) -> str:
    """Return the command that asks the tuned model what it was trained on."""
    asking = rows.asking
    words = ["rdagent", "homebench", "run", "--model_name", arguments.model_name]
    words += ["--use_finetuned"] if target == name.adapter else ["--adapter", str(target)]
    words += ["--mode", asking.mode, "--style", asking.style]
    if arguments.data_dir:
        words += ["--data-dir", str(arguments.data_dir)]
    if asking.mode == "few-shot":
        words += ["--shots", str(asking.shots), "--seed", str(asking.seed)]
    if asking.mode == "rag":
        words += ["--retriever", asking.retriever, "--top-k", str(asking.top_k)]
    return shlex.join(words)
