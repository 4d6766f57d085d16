"""``rdagent demo``: the whole way with a tiny model, from nothing to a table."""

from __future__ import annotations

import argparse
from pathlib import Path

from rdagent.cli.eval import print_evaluation
from rdagent.cli.terminal import Terminal
from rdagent.cli.train import summary, train_with_progress
from rdagent.comparison.compare import Options, compare
from rdagent.comparison.formats import write_report
from rdagent.comparison.looks import note_look
from rdagent.comparison.operands import find_sources
from rdagent.comparison.read import read_side
from rdagent.comparison.text import render_text
from rdagent.core.feedback import TaskScore
from rdagent.core.settings import runs_root
from rdagent.demo import mini_home, paths
from rdagent.errors import JobFailed
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.record import Evaluation
from rdagent.evaluation.request import ADAPTER_VARIANT, EvaluationRequest, NamedVariant
from rdagent.jobs.backends.choose import choose_backend
from rdagent.jobs.gpus import visible_gpus
from rdagent.jobs.spec import ROLES, accelerator_of
from rdagent.records.requests import BASE_VARIANT
from rdagent.scenarios.finetune.train.demo_workspace import demo_training, new_demo_workspace

_DEADLINE_SECONDS = 900
REPORT_FILE = "report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--engine", choices=["auto", "vllm", "hf"], default="auto")
    parser.add_argument("--limit", type=float, metavar="N", help="fewer items, for a quick look")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Train, evaluate base and tuned, print a table and one sentence."""
    backend = choose_backend()
    terminal.say(
        f"base model   {paths.MODEL_NAME}, {_size(paths.MODEL)}, shipped with this package"
    )
    terminal.say(f"task         {mini_home.TASK}: requests to small made-up homes")
    accelerator = accelerator_of(visible_gpus())
    kind = "image" if backend.isolates else "environment"
    for role in ROLES:
        with terminal.progress(f"what {role} runs in") as progress:
            ready = backend.ensure(role, accelerator, progress=progress.update)
        terminal.say(f"{kind:12} {ready.name}" + (", built now" if ready.built else ""))
    workspace = new_demo_workspace()
    trained = train_with_progress(demo_training(workspace), backend, terminal)
    terminal.say(f"training     {summary(trained)}")
    request = EvaluationRequest(
        tasks=(mini_home.TASK,),
        base_model=str(paths.MODEL),
        variants=(NamedVariant(ADAPTER_VARIANT, workspace / "output"),),
        with_base=True,
        include=(paths.TASK_FOLDER,),
        engine=arguments.engine,
        limit=arguments.limit,
        timeout_seconds=_DEADLINE_SECONDS,
    )
    with terminal.progress("evaluating base and tuned") as progress:
        evaluation = evaluation_run.run(request, backend, fresh=True, say=progress.update)
    terminal.say()
    print_evaluation(evaluation, terminal)
    if evaluation.status.reason != "ok":
        return evaluation.status.exit_code
    base, tuned = _score(evaluation, BASE_VARIANT), _score(evaluation, ADAPTER_VARIANT)
    terminal.say()
    _compare(evaluation, terminal)
    terminal.say()
    terminal.say(
        f"demo: base={base.value:.4f} tuned={tuned.value:.4f} n={tuned.n} env={backend.name}"
    )
    return 0


def _size(folder: Path) -> str:
    size = sum(path.stat().st_size for path in folder.iterdir())
    return f"{size / 1e6:.1f} MB"


def _score(evaluation: Evaluation, variant: str) -> TaskScore:
    found = evaluation.variant(variant)
    if found is None or mini_home.TASK not in found.scores:
        raise JobFailed(f"no score for {variant}", reason="incomplete", exit_code=6)
    return found.scores[mini_home.TASK]


def _compare(evaluation: Evaluation, terminal: Terminal) -> None:
    """Print the comparison, and write the page beside the run's record."""
    sides = [read_side(source) for source in find_sources([str(evaluation.folder)], runs_root())]
    base, candidates = sides[0], sides[1:]
    looks = note_look(runs_root(), base, candidates, [mini_home.TASK])
    report = compare(base, candidates, Options(command="rdagent demo"), looks)
    terminal.say(render_text(report).rstrip("\n"))
    page = evaluation.folder / REPORT_FILE
    write_report(report, "html", page)
    terminal.say(f"report       {page}")
