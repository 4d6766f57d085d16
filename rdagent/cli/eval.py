"""``rdagent eval``: measure an adapter, its base model, or both."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdagent.cli.terminal import Terminal, shown
from rdagent.core.settings import finetune_settings
from rdagent.errors import UsageError
from rdagent.evaluation import results_folder
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.forecast import DISAGREEMENT, LEVEL, POWER, Forecast
from rdagent.evaluation.plan_only import plan_only
from rdagent.evaluation.progress import EvaluationProgress, duration
from rdagent.evaluation.record import Evaluation, VariantResult
from rdagent.evaluation.report import metric_name, percent, rate_lines, score_text
from rdagent.evaluation.request import (
    ADAPTER_VARIANT,
    EvaluationRequest,
    NamedVariant,
    request_from_settings,
)
from rdagent.evaluation.stopping import stopping_lines
from rdagent.evaluation.subsets import read_subset
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.backends.choose import choose_backend
from rdagent.jobs.spec import Accelerator
from rdagent.records.limits import Limit, read_limit
from rdagent.records.requests import DTYPES, LONG_PROMPTS, SAMPLES
from rdagent.suites.listed import register_all

#: Arguments whose field in the request has the same name.
_SAME_NAMES = (
    "base_model",
    "num_fewshot",
    "chat_template",
    "thinking",
    "max_gen_toks",
    "gen_kwargs",
    "long_prompts",
    "seed",
    "engine",
    "dtype",
    "batch_size",
    "max_model_len",
    "num_gpus",
    "tensor_parallel",
    "sample",
    "script",
    "endpoint",
    "endpoint_revision",
    "endpoint_concurrency",
    "endpoint_key_file",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments; what is left out comes from the ``FT_`` settings."""
    _add_models(parser.add_argument_group("what is evaluated"))
    _add_prompts(parser.add_argument_group("prompts and answers"))
    _add_engine(parser.add_argument_group("engine"))
    _add_endpoint(
        parser.add_argument_group("engine endpoint: a server with OpenAI's chat protocol")
    )
    run = parser.add_argument_group("the run")
    run.add_argument("--timeout", type=float, metavar="SECONDS")
    run.add_argument("--name", default="", metavar="TEXT", help="a name to find the run by")
    run.add_argument("--out", type=Path, metavar="DIR", help="copy results and samples there")
    run.add_argument(
        "--stop-when-decided",
        action="store_true",
        help="base and adapters answer in turns; a task ends when a test has decided on it",
    )
    run.add_argument("--fresh", action="store_true", help="run again even if it was run before")
    run.add_argument("--dry-run", action="store_true", help="show the job and start nothing")
    run.add_argument(
        "--plan-only",
        action="store_true",
        help="say what it would ask, take and be able to tell, and ask nothing",
    )
    run.add_argument(
        "--progress",
        choices=["bar", "ndjson"],
        default="bar",
        help="ndjson: one JSON object a line on stderr",
    )
    run.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_models(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "adapter", nargs="*", metavar="[NAME=]ADAPTER", help="LoRA folder; several are compared"
    )
    group.add_argument(
        "--base-model", metavar="M", help="folder or name; default: the adapter's own"
    )
    group.add_argument(
        "--base",
        action="store_true",
        help="evaluate the base model as well: the rule beside an adapter",
    )
    group.add_argument("--no-base", action="store_true", help="leave the base model out")
    group.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME=MODEL[+ADAPTER]",
        help="another model: merged, a checkpoint on its base, any other (repeatable)",
    )
    group.add_argument("--tasks", metavar="T,T", help="task names (default: FT_BENCHMARK_DATASETS)")
    group.add_argument(
        "--preset", metavar="NAME|FILE", help="a named set of tasks ('rdagent tasks presets')"
    )
    group.add_argument(
        "--subset", type=Path, metavar="FILE", help="only these documents ('rdagent runs subset')"
    )
    group.add_argument(
        "--include",
        "--include-path",
        action="append",
        default=[],
        metavar="DIR",
        help="folder with tasks of your own (repeatable)",
    )
    group.add_argument("--limit", metavar="N", help="items per task; a share below 1; 1.0 is all")


def _add_prompts(group: argparse._ArgumentGroup) -> None:
    switch: dict[str, Any] = {"type": _switch, "metavar": "on|off"}
    group.add_argument("--num-fewshot", type=int, metavar="N", help="examples in each prompt")
    group.add_argument("--system-prompt", metavar="TEXT|@FILE", help="put before every prompt")
    group.add_argument("--chat-template", **switch, help="default: on when the model has one")
    group.add_argument("--thinking", **switch, help="what the chat template is told")
    group.add_argument("--max-gen-toks", type=int, metavar="N", help="longest answer, in tokens")
    group.add_argument(
        "--gen-kwargs", metavar="K=V,...|JSON", help="put over what the tasks say of generation"
    )
    group.add_argument(
        "--long-prompts",
        choices=LONG_PROMPTS,
        help="longer than the context: cut the beginning and count it (default), or refuse",
    )
    group.add_argument("--seed", type=int)
    group.add_argument(
        "--sample",
        choices=SAMPLES,
        help="which items a limit leaves: the first ones (default), or drawn with the seed",
    )


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--engine", choices=["auto", "vllm", "hf", "endpoint", "scripted"])
    group.add_argument(
        "--script", type=Path, metavar="FILE", help="what engine scripted answers, as JSON"
    )
    group.add_argument(
        "--allow-shorter-context",
        action="store_true",
        help="out of memory may shorten the context, after smaller batches were tried",
    )
    group.add_argument("--dtype", choices=DTYPES)
    group.add_argument(
        "--batch-size", metavar="N|auto", help="on vllm: how many sequences at a time"
    )
    group.add_argument("--max-model-len", type=int, metavar="N", help="context, in tokens")
    group.add_argument("--num-gpus", type=int, metavar="N", help="GPUs to use; 0: the CPU")
    group.add_argument(
        "--tensor-parallel", type=int, metavar="N", help="GPUs that share one model (vllm)"
    )


def _add_endpoint(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--endpoint",
        metavar="URL",
        help="base address, …/v1; models are named as it names them; key: RDAGENT_ENDPOINT_KEY",
    )
    group.add_argument(
        "--endpoint-revision",
        metavar="TEXT",
        help="what it serves now, in your words: runs with equal words share answers",
    )
    group.add_argument(
        "--endpoint-concurrency", type=int, metavar="N", help="requests at a time (default 8)"
    )
    group.add_argument("--endpoint-key-file", type=Path, metavar="FILE", help="holds the key")
    # Taken so that it is not an abbreviation of the one above, and refused.
    group.add_argument("--endpoint-key", dest="key_in_argument", help=argparse.SUPPRESS)


def _switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise argparse.ArgumentTypeError(f"on or off, not {text!r}")
    return text == "on"


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Evaluate, print a table, return the run's exit code."""
    register_all()
    request = _request(arguments)
    if arguments.endpoint and request.engine != "endpoint":
        raise UsageError("--endpoint is for --engine endpoint", hint="Give both, or neither.")
    if arguments.key_in_argument is not None:
        raise UsageError(
            "a key in an argument is seen by everybody on this machine",
            hint="Set RDAGENT_ENDPOINT_KEY, or name a file with --endpoint-key-file.",
        )
    _, spec = evaluation_run.plan(request)
    if arguments.dry_run:
        terminal.json(spec.to_json())
        return 0
    if arguments.out:
        results_folder.require_usable(arguments.out)
    backend = choose_backend()
    if arguments.plan_only:
        return _plan_only(request, backend, spec.accelerator, terminal)
    if arguments.progress == "ndjson":
        backend.ensure("lm-eval", spec.accelerator, progress=_phase_as_json)
        evaluation = evaluation_run.run(
            request, backend, fresh=arguments.fresh, observe=_progress_as_json
        )
    else:
        with terminal.progress("evaluating") as progress:
            backend.ensure("lm-eval", spec.accelerator, progress=progress.update)
            evaluation = evaluation_run.run(
                request, backend, fresh=arguments.fresh, say=progress.update
            )
    if arguments.out:
        results_folder.copy_results(evaluation, arguments.out)
    if terminal.json_only:
        terminal.json(evaluation.to_json())
    else:
        print_evaluation(evaluation, terminal)
    return evaluation.status.exit_code


def _phase_as_json(text: str) -> None:
    _line_of_json({"event": "phase", "text": shown(text)})


def _progress_as_json(progress: EvaluationProgress) -> None:
    _line_of_json(progress.to_json())


def _line_of_json(document: Mapping[str, Any]) -> None:
    sys.stderr.write(json.dumps(document) + "\n")
    sys.stderr.flush()


def _plan_only(
    request: EvaluationRequest, backend: Backend, accelerator: Accelerator, terminal: Terminal
) -> int:
    with terminal.progress("planning") as progress:
        backend.ensure("lm-eval", accelerator, progress=progress.update)
        found = plan_only(request, backend, progress.update)
    if terminal.json_only:
        terminal.json(found.to_json())
    else:
        print_forecast(found, terminal)
        if request.stop_when_decided:
            terminal.say("at most: a task on which a test has decided ends before that")
    return 0


def print_forecast(found: Forecast, terminal: Terminal) -> None:
    """Print what each task asks and can tell apart, then the time."""
    rows = [
        (
            name,
            str(task.documents),
            str(task.requests),
            "unknown" if task.prompt_tokens is None else str(task.prompt_tokens),
            str(task.most_new_tokens),
            percent(task.detectable),
        )
        for name, task in found.tasks.items()
    ]
    header = ("task", "items", "requests", "prompt tokens", "new tokens at most", "detectable")
    terminal.table(header, rows)
    terminal.say(
        f"detectable: the smallest difference in points that a paired comparison finds at level"
        f" {LEVEL:g} with power {POWER:g}, where two models disagree on {DISAGREEMENT:.0%} of items"
    )
    terminal.say(f"{found.unique_requests} requests are put to each of {found.variants} model(s)")
    if found.seconds is None or found.rates is None:
        terminal.say("time: unknown, as no run of this model on this engine was measured yet")
    else:
        told = f"about {duration(found.seconds)} at the rates of run {found.rates.run_id}"
        terminal.say(f"time: {told}")


def _request(arguments: argparse.Namespace) -> EvaluationRequest:
    variants = tuple(_named(text, len(arguments.adapter)) for text in arguments.adapter)
    variants += tuple(map(_variant, arguments.variant))
    settings = finetune_settings()
    tasks = [name.strip() for name in (arguments.tasks or "").split(",")]
    include = (*arguments.include, *settings.benchmark_include)
    given = {
        "tasks": tuple(name for name in tasks if name) or None,
        "include": tuple(map(Path, include)),
        "system_prompt": _text_or_file(arguments.system_prompt),
        "timeout_seconds": arguments.timeout,
        "label": arguments.name,
        **{name: getattr(arguments, name) for name in _SAME_NAMES},
    }
    changes: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    if arguments.limit is not None:
        # Said aloud, also to take back a limit of the settings: --limit 1.0 is all.
        changes["limit"] = _limit(arguments.limit)
    if arguments.subset and arguments.sample:
        raise UsageError("--subset names its documents; --sample has nothing to choose")
    if arguments.plan_only and (arguments.dry_run or arguments.out or arguments.fresh):
        raise UsageError("--plan-only evaluates nothing: --dry-run, --out and --fresh do not fit")
    if arguments.subset:
        changes |= _of_subset(arguments, changes)
    if arguments.base and arguments.no_base:
        raise UsageError("--base and --no-base contradict each other")
    on_base = any(named.adapter and not named.model for named in variants)
    changes["with_base"] = not arguments.no_base and (arguments.base or on_base or not variants)
    changes["allow_shorter_context"] = arguments.allow_shorter_context
    changes["stop_when_decided"] = arguments.stop_when_decided
    return request_from_settings(settings, variants, preset=arguments.preset, given=changes)


def _of_subset(arguments: argparse.Namespace, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that a subset decides: its documents, no limit, its tasks by default."""
    if given.get("limit") is not None:
        raise UsageError("--subset and --limit say both which documents are asked; give one")
    subset = read_subset(arguments.subset)
    names = given.get("tasks") or (() if arguments.preset else tuple(subset.tasks))
    changes = {"subset": subset, "limit": None, "notes": (subset.said,)}
    return changes | ({"tasks": names} if names else {})


def _limit(text: str) -> Limit | None:
    try:
        return read_limit(text)
    except ValueError as error:
        raise UsageError(f"--limit {text}: {error}") from None


def _text_or_file(given: str | None) -> str | None:
    if given is None or not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--system-prompt {given}: {error}") from None


def _named(text: str, count: int) -> NamedVariant:
    name, sign, path = text.partition("=")
    if sign:
        return NamedVariant(name, Path(path))
    return NamedVariant(ADAPTER_VARIANT if count == 1 else Path(text).name, Path(text))


def _variant(text: str) -> NamedVariant:
    """Read ``NAME=MODEL``, ``NAME=MODEL+ADAPTER`` or ``NAME=+ADAPTER``; names may hold a plus."""
    name, sign, rest = text.partition("=")
    if not sign or not rest.strip("+"):
        raise UsageError(
            f"--variant {text}: a name and a model are expected", hint="NAME=MODEL[+ADAPTER]"
        )
    model, plus, adapter = rest.rpartition("+")
    if not plus or Path(rest).is_dir():
        return NamedVariant(name, None, rest)
    return NamedVariant(name, Path(adapter), model or None)


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
        decided = stopping_lines(variant.stopping, variant.name)
        told = (*decided, *rate_lines(variant))
        lines += [f"note: {variant.name}: {task}: {line}" for task, line in told]
        lines += [f"note: {variant.name}: {note}" for note in variant.notes]
    if limited := evaluation.limited():
        lines.append(f"note: limited run ({limited}), not comparable with a full one")
    return lines
