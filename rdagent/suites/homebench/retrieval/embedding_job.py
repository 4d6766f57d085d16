"""Texts to vectors in a sealed job of the evaluation image: what it gets, what it must write.

The texts are mounted as a file and never go through the job's own documents: they come from
records, which may say ``{mount:…}`` or anything else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rdagent.core.settings import cache_root, load, runs_root
from rdagent.errors import JobFailed, ResultError
from rdagent.files import atomic, untrusted
from rdagent.files.digests import text_digest
from rdagent.files.printable import one_line
from rdagent.files.storage import storage_errors
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.conf import BenchmarkDockerConf, with_timeout
from rdagent.jobs.logfile import tail
from rdagent.jobs.machine import job_facts, with_image
from rdagent.jobs.profiles import evaluate_limits, offline_environment
from rdagent.jobs.runs import RunFolder, open_run
from rdagent.jobs.spec import JobSpec, Mount
from rdagent.jobs.supervisor import JobEnd, Watch, run_job
from rdagent.models.digest import folder_digest
from rdagent.records.embeddings import (
    EMBEDDED_FILE,
    TEXTS_FILE,
    VECTORS_FILE,
    Embedded,
    EmbedRequest,
)
from rdagent.records.status import STATUS_FILE
from rdagent.suites.homebench.retrieval.embedders import LocalSource
from rdagent.suites.homebench.retrieval.vectors import VECTORS_LIMIT, Vectors, read_matrix

REQUEST_NAME = "request.json"
PROGRAM = ("python", "-m", "rdagent.inside.embed", f"{{mount:in}}/{REQUEST_NAME}")
_TEXTS_MOUNT, _TEXTS_TARGET = "texts", "/workspace/texts"
_SAID = "embed: "
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Where and how long jobs run."""

    backend: Backend
    timeout_seconds: float
    say: Say = lambda line: None


def embedding_job(source: LocalSource, texts: Path, timeout_seconds: float) -> JobSpec:
    """Return the job that embeds the texts in a folder."""
    conf = with_timeout(load(BenchmarkDockerConf), timeout_seconds)
    told = EmbedRequest(
        model=source.model.inside,
        texts=f"{{mount:{_TEXTS_MOUNT}}}/{TEXTS_FILE}",
        output="{mount:out}",
        pooling=source.pooling,
        max_tokens=source.max_tokens,
        whole=source.whole,
        weights=source.weights,
        on_gpu=bool(source.gpus),
    )
    return JobSpec(
        role="lm-eval",
        argv=PROGRAM,
        limits=evaluate_limits(conf.resources()),
        mounts=(source.model.mount, Mount(_TEXTS_MOUNT, str(texts), _TEXTS_TARGET)),
        environment=offline_environment(len(source.gpus)),
        files={REQUEST_NAME: json.dumps(told.to_json(), indent=2)},
        results=(STATUS_FILE, EMBEDDED_FILE, VECTORS_FILE),
        gpus=source.gpus,
        image=conf.chosen_image,
    )


def embed_in_job(texts: Sequence[str], source: LocalSource, settings: JobSettings) -> Vectors:
    """Return a vector for each text; raises JobFailed when the job does not end well."""
    asked = {"kind": "embed", **source.identity(), "texts": text_digest(*texts)}
    run = open_run(runs_root(), asked, fresh=True, label=f"embeddings of {source.model.name}")
    with run.ends_with_its_errors():
        spec = embedding_job(source, _write_texts(run, texts), settings.timeout_seconds)
        backend = settings.backend
        backend.ensure("lm-eval", spec.accelerator, progress=settings.say)
        spec = with_image(spec, backend)
        watch = Watch(_teller(settings.say))
        end = run_job(backend, spec, run.attempts, run.run_id, watch)
        run.write_manifest({"kind": "embed", **job_facts(spec, end, backend)})
        _require_ok(end, run)
        _require_same(source)
        vectors = read_vectors(end.out, texts)
        (end.out / VECTORS_FILE).unlink()  # they are kept elsewhere, once for all runs
        run.finish("ok")
    return vectors


def _write_texts(run: RunFolder, texts: Sequence[str]) -> Path:
    folder = run.path / "texts"
    # ASCII: a request may hold what cannot be written as UTF-8.
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    with storage_errors(folder):
        atomic.write_text(folder / TEXTS_FILE, lines)
    return folder


def _teller(say: Say) -> Callable[[Path], None]:
    def look(attempt: Path) -> None:
        lines = tail(attempt / "log.txt", 2048).strip().splitlines()
        said = [line for line in lines if line.startswith(_SAID)]
        if said:
            say(one_line(said[-1].removeprefix(_SAID), 100))

    return look


def _require_ok(end: JobEnd, run: RunFolder) -> None:
    if end.interrupted:
        run.finish("cancelled", end.message)
        raise KeyboardInterrupt
    if not end.outcome.ok:
        raise JobFailed(
            f"the texts were not embedded: {end.message or end.outcome.reason}",
            reason=end.outcome.reason,
            exit_code=end.outcome.exit_code,
            hint=f"{end.outcome.hint}\nrun: {run.path}".strip(),
        )


def _require_same(source: LocalSource) -> None:
    folder = source.model.folder
    if not folder.is_dir() or folder_digest(folder, cache_root()) != source.digest:
        raise ResultError(f"the model {folder} changed while its vectors were computed")


def read_vectors(out: Path, texts: Sequence[str]) -> Vectors:
    """Read what a job wrote, as a stranger's upload; raises ResultError for what is unsound."""
    said = Embedded.from_json(untrusted.read_json(out / EMBEDDED_FILE))
    if said.count != len(texts):
        raise ResultError(f"{said.count} texts were embedded, and {len(texts)} were given")
    content = untrusted.read_bytes(out / VECTORS_FILE, VECTORS_LIMIT)
    if hashlib.sha256(content).hexdigest() != said.sha256:
        raise ResultError(f"{VECTORS_FILE} is not the file that {EMBEDDED_FILE} names")
    matrix = read_matrix(content, said.count, said.dimension)
    places = {text: place for place, text in enumerate(texts)}
    return Vectors(places, matrix, frozenset(texts[place] for place in said.cut))
