"""``rdagent homebench rag``: choose the rooms that prompts show, and say what that is worth."""

from __future__ import annotations

import argparse
from pathlib import Path

from rdagent.cli.homebench_retrieval import RETRIEVERS, add_embedder, embedder_of, retrieved
from rdagent.cli.homebench_run import use_devices
from rdagent.cli.terminal import Terminal
from rdagent.errors import UsageError
from rdagent.suites.homebench import asking as asks
from rdagent.suites.homebench.names import known_models
from rdagent.suites.homebench.prompts import STYLES
from rdagent.suites.homebench.retrieval.rag_report import COLUMNS, MEANING
from rdagent.suites.homebench.retrieval.retrievers import DEFAULT_TOP_K
from rdagent.suites.homebench.suite import data_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--retriever", choices=sorted(RETRIEVERS), default="lexical")
    parser.add_argument(
        "--top-k", type=int, default=DEFAULT_TOP_K, metavar="K", help="rooms for each clause"
    )
    embedder = parser.add_argument_group("who embeds, for dense and llm")
    embedder.add_argument(
        "--model_name",
        "--model",
        metavar="M",
        help=f"llm: {', '.join(known_models())}, a folder, or a model's name",
    )
    add_embedder(embedder)
    embedder.add_argument(
        "--cuda_devices", "--cuda-devices", metavar="0,1", help="the GPUs that may be used"
    )
    embedder.add_argument("--timeout", type=float, default=36000, metavar="SECONDS")
    data = parser.add_argument_group("for which requests")
    data.add_argument("--data-dir", type=Path, metavar="DIR", help="default: dataset/")
    data.add_argument("--split", choices=["test", "valid", "train"], default="test")
    data.add_argument("--limit", type=int, metavar="N")
    data.add_argument("--stratified", action="store_true", help="a limit keeps all categories")
    data.add_argument("--style", choices=STYLES, default="released", help="how homes are shown")
    data.add_argument("--seed", type=int, default=1234)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="default: <model or retriever>_rag_<split>_data.json in the data's folder",
    )
    parser.add_argument("--fresh", action="store_true", help="use nothing that was made before")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Choose, write the file, print the measures."""
    if arguments.cuda_devices is not None:
        use_devices(arguments.cuda_devices)
    asking = asks.Asking(
        mode="rag",
        data=arguments.data_dir or data_folder(),
        split=arguments.split,
        retriever=arguments.retriever,
        top_k=arguments.top_k,
        limit=arguments.limit,
        stratified=arguments.stratified,
        style=arguments.style,
        seed=arguments.seed,
    )
    if arguments.model_name and arguments.retriever != "llm":
        raise UsageError(
            f"--model_name has no meaning for --retriever {arguments.retriever}",
            hint="A sentence model is named by --embedding-model.",
        )
    embedder = embedder_of(arguments)
    asked = asks.select(asking)
    report = retrieved(
        asked,
        asking,
        embedder,
        arguments.out,
        terminal,
        timeout_seconds=arguments.timeout,
        fresh=arguments.fresh,
    )
    if terminal.json_only:
        terminal.json(report.to_json())
        return 0
    terminal.table(COLUMNS, report.rows())
    terminal.say(MEANING)
    return 0
