"""``rdagent eval``: measure an adapter, its base model, or both."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rdagent.cli.terminal import Terminal
from rdagent.core.settings import finetune_settings
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.report import metric_name, percent, score_text
from rdagent.evaluation.request import (
    ADAPTER_VARIANT,
    EvaluationRequest,
    NamedAdapter,
    request_from_settings,
)
from rdagent.evaluation.run import Evaluation, VariantResult
from rdagent.jobs.backends.choose import choose_backend
from rdagent.jobs.images import ensure_image
from rdagent.jobs.reaper import reap


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; what is left out comes from the ``FT_`` settings."""
    parser.add_argument(
        "adapter", nargs="*", metavar="[NAME=]ADAPTER", help="LoRA folder; several are compared"
    )
    parser.add_argument(
        "--base-model", metavar="M", help="folder or name; default: the adapter's own"
    )
    parser.add_argument("--base", action="store_true", help="evaluate the base model as well")
    parser.add_argument(
        "--tasks", metavar="T,T", help="task names (default: FT_BENCHMARK_DATASETS)"
    )
    parser.add_argument(
        "--include",
        action="append",
        default=[],
        metavar="DIR",
        help="folder with tasks of your own",
    )
    parser.add_argument(
        "--limit", type=float, metavar="N", help="items per task, or a share below 1"
    )
    parser.add_argument("--num-fewshot", type=int, metavar="N")
    parser.add_argument("--engine", choices=["auto", "vllm", "hf"])
    parser.add_argument("--batch-size", metavar="N|auto")
    parser.add_argument("--max-model-len", type=int, metavar="N")
    parser.add_argument("--gen-kwargs", metavar="K=V,...")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument("--fresh", action="store_true", help="run again even if it was run before")
    parser.add_argument("--dry-run", action="store_true", help="show the job and start nothing")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Evaluate, print a table, return the run's exit code."""
    request = _request(arguments)
    _, spec = evaluation_run.plan(request)
    if arguments.dry_run:
        terminal.json(spec.to_json())
        return 0
    backend = choose_backend()
    with terminal.progress("evaluating") as progress:
        ensure_image("lm-eval", progress=progress.update)
        reap(backend)
        evaluation = evaluation_run.run(
            request, backend, fresh=arguments.fresh, say=progress.update
        )
    if terminal.json_only:
        terminal.json(evaluation.to_json())
    else:
        print_evaluation(evaluation, terminal)
    return evaluation.status.exit_code


def _request(arguments: argparse.Namespace) -> EvaluationRequest:
    adapters = tuple(_named(text, len(arguments.adapter)) for text in arguments.adapter)
    request = request_from_settings(finetune_settings(), adapters)
    given = {
        "base_model": arguments.base_model,
        "tasks": tuple(t.strip() for t in arguments.tasks.split(",") if t.strip())
        if arguments.tasks
        else None,
        "include": (*map(Path, arguments.include), *request.include),
        "limit": arguments.limit,
        "num_fewshot": arguments.num_fewshot,
        "engine": arguments.engine,
        "batch_size": arguments.batch_size,
        "max_model_len": arguments.max_model_len,
        "gen_kwargs": arguments.gen_kwargs,
        "seed": arguments.seed,
        "timeout_seconds": arguments.timeout,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(request, with_base=arguments.base or not adapters, **changes)


def _named(text: str, count: int) -> NamedAdapter:
    name, sign, path = text.partition("=")
    if sign:
        return NamedAdapter(name, Path(path))
    return NamedAdapter(ADAPTER_VARIANT if count == 1 else Path(text).name, Path(text))


def print_evaluation(evaluation: Evaluation, terminal: Terminal) -> None:
    """Print one row per model and task, then what is to be known."""
    rows = [row for variant in evaluation.variants for row in _rows(variant)]
    if rows:
        terminal.table(("model", "task", "metric", "score", "n"), rows)
    for line in _notes(evaluation):
        terminal.say(line)
    if evaluation.status.reason != "ok":
        terminal.say(f"{evaluation.status.status}: {evaluation.status.reason}")
        for line in evaluation.status.hint.splitlines():
            terminal.say(f"  {line}")
    again = " (was there already; --fresh runs again)" if evaluation.reused else ""
    terminal.say(f"run {evaluation.run_id}{again}")
    terminal.say(f"    {evaluation.folder}")


def _rows(variant: VariantResult) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for task, score in variant.scores.items():
        size = str(score.n) if score.n is not None else "n/a"
        rows.append((variant.name, task, metric_name(score), score_text(score), size))
    if variant.average.value is not None and len(variant.average.included) > 1:
        rows.append((variant.name, "average", "", f"{percent(variant.average.value)}%", ""))
    return rows


def _notes(evaluation: Evaluation) -> list[str]:
    lines = [f"note: {note}" for note in evaluation.notes]
    for variant in evaluation.variants:
        lines += [f"{variant.name}: no result for {task}" for task in variant.missing]
        lines += [f"note: {variant.name}: {note}" for note in variant.notes]
    if evaluation.limit is not None:
        limit = f"{evaluation.limit:g}"
        lines.append(f"note: limited run (limit={limit}), not comparable with a full one")
    return lines
