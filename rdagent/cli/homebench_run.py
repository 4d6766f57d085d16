"""``rdagent homebench run``: ask a model in one mode, keep its answers, score them."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from rdagent.cli.homebench_retrieval import RETRIEVERS, add_embedder, embedder_of, retrieved
from rdagent.cli.homebench_score import print_report
from rdagent.cli.terminal import Terminal
from rdagent.errors import UsageError
from rdagent.evaluation import run as evaluation_run
from rdagent.evaluation.record import VariantResult
from rdagent.evaluation.request import EvaluationRequest
from rdagent.jobs.backends.choose import choose_backend
from rdagent.suites.homebench import asking as asks
from rdagent.suites.homebench import running
from rdagent.suites.homebench.data.files import HOMES_FILE
from rdagent.suites.homebench.names import OUTPUT_FOLDER, known_models
from rdagent.suites.homebench.prompts import MODES, STYLES, Mode
from rdagent.suites.homebench.report import make_report
from rdagent.suites.homebench.retrieval.embedders import Embedder
from rdagent.suites.homebench.retrieval.rag_report import percent
from rdagent.suites.homebench.retrieval.retrievers import DEFAULT_TOP_K
from rdagent.suites.homebench.scoring.judgement import judge_all
from rdagent.suites.homebench.scoring.records import read_homes, read_records
from rdagent.suites.homebench.suite import data_folder, task_name, with_homebench


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    _add_model(parser.add_argument_group("the model"))
    _add_mode(parser.add_argument_group("what it is asked"))
    add_embedder(parser.add_argument_group("who embeds, for --retriever dense and llm"))
    run = parser.add_argument_group("the run")
    run.add_argument("--batch_size", "--batch-size", default="auto", metavar="N")
    run.add_argument(
        "--cuda_devices", "--cuda-devices", metavar="0,1", help="the GPUs that may be used"
    )
    run.add_argument("--engine", choices=["auto", "vllm", "hf"], default="auto")
    run.add_argument("--max-model-len", type=int, metavar="N")
    run.add_argument("--max-gen-toks", type=int, default=512, metavar="N")
    run.add_argument("--timeout", type=float, default=36000, metavar="SECONDS")
    run.add_argument("--out", type=Path, default=OUTPUT_FOLDER, metavar="DIR")
    run.add_argument("--fresh", action="store_true", help="run again even if it was run before")
    run.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--model_name",
        "--model",
        required=True,
        metavar="M",
        help=f"{', '.join(known_models())}, a folder, or a model's name",
    )
    group.add_argument("--adapter", type=Path, metavar="DIR", help="a LoRA folder to put on it")
    group.add_argument(
        "--use_finetuned", action="store_true", help="put on the adapter in model_output/<model>"
    )


def _add_mode(group: argparse._ArgumentGroup) -> None:
    mode = group.add_mutually_exclusive_group()
    mode.add_argument("--mode", choices=MODES)
    mode.add_argument("--use_few_shot", action="store_const", dest="mode", const="few-shot")
    mode.add_argument("--use_rag", action="store_const", dest="mode", const="rag")
    group.add_argument("--shots", type=int, choices=range(1, 6), default=asks.DEFAULT_SHOTS)
    group.add_argument("--retriever", choices=sorted(RETRIEVERS), default="lexical")
    group.add_argument("--top-k", type=int, default=DEFAULT_TOP_K, metavar="K")
    group.add_argument(
        "--retrieval-file",
        type=Path,
        metavar="FILE",
        help="where retrieved rooms are kept; default: as 'rdagent homebench rag' names it",
    )
    group.add_argument("--data-dir", type=Path, metavar="DIR", help="default: dataset/")
    group.add_argument("--split", choices=["test", "valid", "train"], default="test")
    group.add_argument("--limit", type=int, metavar="N")
    group.add_argument("--stratified", action="store_true", help="a limit keeps all categories")
    group.add_argument("--exclude-audited", action="store_true", help="leave out faulty records")
    group.add_argument("--style", choices=STYLES, default="released", help="how homes are shown")
    group.add_argument("--seed", type=int, default=1234)


def asking_of(arguments: argparse.Namespace) -> asks.Asking:
    """Return what is asked, as the command line says it."""
    mode: Mode = arguments.mode or "zero-shot"
    return asks.Asking(
        mode=mode,
        data=arguments.data_dir or data_folder(),
        split=arguments.split,
        shots=arguments.shots,
        retriever=arguments.retriever,
        top_k=arguments.top_k,
        limit=arguments.limit,
        stratified=arguments.stratified,
        exclude_audited=arguments.exclude_audited,
        style=arguments.style,
        seed=arguments.seed,
    )


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Ask, write ``output/<model>_<mode>_test_result.json``, print its score."""
    if arguments.cuda_devices is not None:
        use_devices(arguments.cuda_devices)
    asking = asking_of(arguments)
    model = running.find_model(
        arguments.model_name, tuned=arguments.use_finetuned, adapter=arguments.adapter
    )
    embedder = embedder_of(arguments) if asking.mode == "rag" else None
    asked = asks.select(asking)
    terminal.note(
        f"{len(asked.records)} records of {len({r.home_id for r in asked.records})} homes"
    )
    if asking.mode == "rag":
        asking = _retrieve(asked, asking, embedder, arguments, terminal)
    request = with_homebench(_request(arguments, model), asked, asking)
    backend = choose_backend()
    _, spec = evaluation_run.plan(request)
    with terminal.progress("what lm-eval runs in") as progress:
        backend.ensure("lm-eval", spec.accelerator, progress=progress.update)
    with terminal.progress("answering") as progress:
        evaluation = evaluation_run.run(
            request, backend, fresh=arguments.fresh, say=progress.update
        )
    variant = running.variant_of(evaluation, model)
    answers = running.answers_of(variant, task_name(asking.mode), asked)
    path = model.name.result_file(asking.mode, tuned=model.tuned, folder=arguments.out)
    running.write_answers(path, asked, answers)
    return _report(path, asking, variant, terminal)


def _request(arguments: argparse.Namespace, model: running.Model) -> EvaluationRequest:
    return running.request_of(
        model,
        batch_size=str(arguments.batch_size),
        engine=arguments.engine,
        max_model_len=arguments.max_model_len,
        max_gen_toks=arguments.max_gen_toks,
        timeout_seconds=arguments.timeout,
        seed=arguments.seed,
    )


def use_devices(text: str) -> None:
    """Let jobs use these GPUs and no others."""
    devices = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() for word in devices):
        raise UsageError(f"--cuda_devices {text}: numbers with commas are expected, as 0,1")
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices)


def _retrieve(
    asked: asks.Asked,
    asking: asks.Asking,
    embedder: Embedder | None,
    arguments: argparse.Namespace,
    terminal: Terminal,
) -> asks.Asking:
    """Choose the rooms, and say what that is worth before a model runs."""
    found = retrieved(
        asked,
        asking,
        embedder,
        arguments.retrieval_file,
        terminal,
        timeout_seconds=arguments.timeout,
        must_write=False,
    )
    whole = found.measures["ALL"]
    terminal.note(
        f"retrieval ({asking.retriever}): recall {percent(whole.recall)}, all needed rooms"
        f" {percent(whole.full_recall)}, context {percent(whole.context_share)} of the home"
    )
    return replace(asking, rooms=found.retrieval.rooms)


def _report(
    path: Path,
    asking: asks.Asking,
    variant: VariantResult,
    terminal: Terminal,
) -> int:
    homes = read_homes(asking.data / HOMES_FILE)
    report = make_report(list(judge_all(read_records(path), homes)), path.name)
    for line in running.alarms(variant, task_name(asking.mode), report.parse_rate):
        terminal.note(f"ALARM: {line}")
    for note in variant.notes:
        terminal.note(note)
    print_report(report, terminal)
    terminal.note(f"answers: {path}")
    terminal.note(f"run: {variant.folder.parents[1]}")
    return 0
