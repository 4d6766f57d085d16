"""What ``homebench rag`` and ``homebench run`` have in common: who embeds, and how it is said."""

from __future__ import annotations

import argparse
from pathlib import Path

from rdagent.cli.terminal import Terminal
from rdagent.errors import UsageError
from rdagent.jobs.backends.choose import choose_backend
from rdagent.suites.homebench.asking import Asked, Asking
from rdagent.suites.homebench.retrieval.building import Means, retrieve
from rdagent.suites.homebench.retrieval.embedders import (
    Embedder,
    local_dense,
    local_llm,
    served_dense,
)
from rdagent.suites.homebench.retrieval.rag_report import RagReport, make_rag_report
from rdagent.suites.homebench.retrieval.retrieval_file import default_path
from rdagent.suites.homebench.retrieval.retrievers import WITHOUT_MODEL

WITH_MODEL = ("dense", "llm")
RETRIEVERS = (*WITHOUT_MODEL, *WITH_MODEL)
_ONLY_DENSE = ("endpoint", "embedding_name", "query_prefix", "passage_prefix")
_ONLY_SERVED = ("embedding_name", "key_file", "endpoint_revision")


def add_embedder(group: argparse._ArgumentGroup) -> None:
    """Declare who embeds, for the retrievers that need vectors."""
    group.add_argument(
        "--embedding-model",
        metavar="DIR",
        help="dense: a sentence model; llm: a language model; a folder or a name",
    )
    group.add_argument(
        "--endpoint", metavar="URL", help="dense: a server with OpenAI's embedding protocol"
    )
    group.add_argument("--embedding-name", metavar="NAME", help="what the server calls its model")
    group.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="holds the server's key; else RDAGENT_ENDPOINT_KEY",
    )
    group.add_argument(
        "--endpoint-revision",
        metavar="TEXT",
        help="which model the server has now, in your words; vectors are kept for it",
    )
    group.add_argument(
        "--query-prefix", metavar="TEXT", help="dense: put before requests ('query: ' for E5)"
    )
    group.add_argument(
        "--passage-prefix", metavar="TEXT", help="dense: put before rooms ('passage: ' for E5)"
    )


def embedder_of(arguments: argparse.Namespace) -> Embedder | None:
    """Return who embeds; None for a retriever that needs nobody.

    For ``llm`` it is the model that is asked, unless another one is named.
    """
    retriever: str = arguments.retriever
    if retriever not in WITH_MODEL:
        _refuse_given(arguments, ("embedding_model", *_ONLY_DENSE, *_ONLY_SERVED))
        return None
    if retriever == "llm":
        _refuse_given(arguments, (*_ONLY_DENSE, *_ONLY_SERVED))
        word = arguments.embedding_model or arguments.model_name
        if word is None:
            raise UsageError("--retriever llm needs a model", hint="--model_name M")
        return local_llm(word)
    prefixes = (arguments.query_prefix, arguments.passage_prefix)
    if arguments.endpoint is None:
        _refuse_given(arguments, _ONLY_SERVED)
        if arguments.embedding_model is None:
            raise UsageError(
                "--retriever dense needs a model that embeds",
                hint="--embedding-model DIR, or --endpoint URL --embedding-name NAME.",
            )
        return local_dense(arguments.embedding_model, *prefixes)
    _refuse_given(arguments, ("embedding_model",))
    if arguments.embedding_name is None:
        raise UsageError("--endpoint needs the name of a model of the server: --embedding-name")
    return served_dense(
        arguments.endpoint,
        arguments.embedding_name,
        revision=arguments.endpoint_revision,
        key_file=arguments.key_file,
        query=prefixes[0],
        passage=prefixes[1],
    )


def _refuse_given(arguments: argparse.Namespace, names: tuple[str, ...]) -> None:
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(arguments, name)]
    if given:
        raise UsageError(
            f"{given[0]} has no meaning for --retriever {arguments.retriever} as it is asked for",
            hint="'rdagent homebench rag --help' says what goes with what.",
        )


def retrieved(
    asked: Asked,
    asking: Asking,
    embedder: Embedder | None,
    path: Path | None,
    terminal: Terminal,
    *,
    timeout_seconds: float,
    fresh: bool = False,
    must_write: bool = True,
) -> RagReport:
    """Choose the rooms, or find them in the file; say what was done on the way."""
    target = path or default_path(asking, embedder)
    with terminal.progress(f"retrieving ({asking.retriever})") as progress:
        means = Means(choose_backend, timeout_seconds, progress.update)
        retrieval = retrieve(
            asked, asking, embedder, target, means, fresh=fresh, must_write=must_write
        )
    for note in retrieval.notes:
        terminal.note(note)
    if retrieval.reused:
        terminal.note(f"rooms: taken from {target}, which was made of the same")
    elif retrieval.path is not None:
        terminal.note(f"rooms: {target}")
    report = make_rag_report(asked, asking, embedder, retrieval)
    for alarm in report.alarms:
        terminal.note(f"ALARM: {alarm}")
    return report
