"""What turns texts into vectors, and how it wants to be asked: a local model or a server.

``embedding_job`` runs local models in the evaluation image, ``embedding_server`` asks servers,
``dense`` chooses rooms by the vectors that come of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rdagent.core.settings import cache_root, finetune_settings, load
from rdagent.errors import RefusedError
from rdagent.evaluation.endpoint.address import (
    CONCURRENCY,
    Endpoint,
    RemoteModel,
    check_model_name,
    parse_endpoint,
)
from rdagent.jobs.conf import BenchmarkDockerConf
from rdagent.jobs.gpus import visible_gpus
from rdagent.models.digest import folder_digest
from rdagent.models.resolve import LocalModel, resolve_model
from rdagent.records.embeddings import METHOD, Pooling, Weights
from rdagent.suites.homebench.names import model_name
from rdagent.suites.homebench.retrieval.sentence_models import read_sentence_model

Kind = Literal["dense", "llm"]
#: What a language model is to sum up; of a room and of a request in the same words, so that
#: what differs between two vectors is what was said.
SUMMARY = ("After thinking step by step, summarise this: ", ": ")

_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What stands around a text when it is embedded."""

    before: str = ""
    after: str = ""

    def around(self, text: str) -> str:
        """Return the text as it is embedded."""
        return f"{self.before}{text}{self.after}"


@dataclass(frozen=True, slots=True)
class LocalSource:
    """A model on this machine, and how its vectors are computed."""

    model: LocalModel
    digest: str
    pooling: Pooling
    #: None: as long as the model takes.
    max_tokens: int | None
    #: No text may lose its end.
    whole: bool
    gpus: tuple[str, ...] = ()

    @property
    def weights(self) -> Weights:
        """float32 on the CPU; on a GPU, where large models go, as they are stored."""
        return "stored" if self.gpus else "float32"

    def identity(self) -> dict[str, Any]:
        """Return what decides its vectors."""
        return {
            "digest": self.digest,
            "pooling": self.pooling,
            "max_tokens": self.max_tokens,
            "weights": self.weights,
        }


@dataclass(frozen=True, slots=True)
class ServerSource:
    """A model that a server has."""

    endpoint: Endpoint
    model: RemoteModel
    #: Holds the key; None: that of ``RDAGENT_ENDPOINT_KEY``, if any.
    key_file: Path | None = None

    def identity(self) -> dict[str, Any]:
        """Return what decides its vectors, as far as it can be known."""
        return {"endpoint": self.endpoint.identity(), "name": self.model.name}


@dataclass(frozen=True, slots=True)
class Embedder:
    """A source of vectors, and what stands around the texts that it gets."""

    kind: Kind
    #: As it is called in the names of files.
    name: str
    source: LocalSource | ServerSource
    query: Wrapping
    passage: Wrapping

    def identity(self) -> dict[str, Any]:
        """Return everything that decides the vectors of a text."""
        return {
            "method": METHOD,
            **self.source.identity(),
            "query": asdict(self.query),
            "passage": asdict(self.passage),
        }

    @property
    def is_known(self) -> bool:
        """Whether equal identities have equal vectors; of a server only its user can say."""
        source = self.source
        return isinstance(source, LocalSource) or source.endpoint.revision is not None


def local_llm(word: str) -> Embedder:
    """Return a language model whose last hidden state, at the last token, is the vector.

    Raises RefusedError when the model is not on this machine or cannot be one.
    """
    model = _resolved(word)
    source = LocalSource(model, _digest(model), "last", None, whole=True, gpus=_gpus())
    wrapping = Wrapping(*SUMMARY)
    return Embedder("llm", _file_name(word), source, wrapping, wrapping)


def local_dense(word: str, query: str | None = None, passage: str | None = None) -> Embedder:
    """Return a sentence model; its own prefixes are used where none are given."""
    model = _resolved(word)
    said = read_sentence_model(model.folder)
    source = LocalSource(
        model, _digest(model), said.pooling, said.max_tokens, whole=False, gpus=_gpus()
    )
    return Embedder(
        "dense",
        _file_name(word),
        source,
        Wrapping(said.query_prefix if query is None else query),
        Wrapping(said.passage_prefix if passage is None else passage),
    )


def served_dense(
    url: str,
    name: str,
    *,
    revision: str | None = None,
    key_file: Path | None = None,
    query: str | None = None,
    passage: str | None = None,
) -> Embedder:
    """Return a model of a server with OpenAI's embedding protocol."""
    endpoint = parse_endpoint(url, revision, CONCURRENCY)
    source = ServerSource(endpoint, check_model_name(name), key_file)
    return Embedder(
        "dense", _file_name(name), source, Wrapping(query or ""), Wrapping(passage or "")
    )


def _resolved(word: str) -> LocalModel:
    model = resolve_model(model_name(word).model, finetune_settings().file_path / "models")
    if model.config.get("is_encoder_decoder"):
        raise RefusedError(
            f"the model {word} has an encoder and a decoder, and neither alone was trained for this"
        )
    return model


def _digest(model: LocalModel) -> str:
    return folder_digest(model.folder, cache_root())


def _file_name(word: str) -> str:
    """Return the last part of a model's own name, whatever short name it was called by."""
    return model_name(model_name(word).model).short[:_NAME_LENGTH]


def _gpus() -> tuple[str, ...]:
    """Return the one GPU to use, if there is one and it may be used."""
    if finetune_settings().benchmark_num_gpus == 0 or not load(BenchmarkDockerConf).enable_gpu:
        return ()
    return visible_gpus()[:1]
