"""Tasks of our own suites: what a suite hands over, and how it becomes an ordinary task.

A suite is registered by the doors (command line, evaluator) and builds its task when it is
asked for by name.  What an evaluation then gets is a folder of task files with the data
beside them, named by its content: nothing of the evaluation knows more of a suite.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rdagent.core.settings import finetune_settings
from rdagent.errors import InternalError
from rdagent.evaluation.catalogue_include import included
from rdagent.evaluation.request import EvaluationRequest
from rdagent.files.digests import file_digest, text_digest
from rdagent.files.storage import storage_errors

Scorer = Literal["lm_eval", "external"]
METADATA_FILE = "metadata.json"
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """One task of a suite."""

    name: str
    #: Holds ``<name>.yaml``, what it includes, and its code; code runs inside only.
    include_dir: Path
    #: Logical name → file; it lies beside the task's file as ``<logical name>.jsonl``.
    data: Mapping[str, Path] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: ``metric,filter``.
    primary: str = ""
    higher_is_better: bool = True
    #: The field of a document by which items hang together.
    cluster_key: str | None = None
    scorer: Scorer = "lm_eval"
    report_sections: tuple[str, ...] = ()


Build = Callable[[str], SuiteTask]
_BUILDERS: dict[str, Build] = {}


def register(names: Sequence[str], build: Build) -> None:
    """Make tasks known by name; ``build`` is called when one is asked for."""
    _BUILDERS.update(dict.fromkeys(names, build))


def suite_task_names() -> tuple[str, ...]:
    """Return the names of all registered tasks."""
    return tuple(_BUILDERS)


def with_suites(request: EvaluationRequest) -> EvaluationRequest:
    """Return a request in which tasks of suites are ordinary tasks of an include folder.

    A task that an include folder of the caller holds already is the caller's.
    """
    wanted = [task for task in request.tasks if task in _BUILDERS]
    if not wanted:
        return request
    own = included(request.include).entries
    for name in wanted:
        if name not in own:
            request = with_task(request, _BUILDERS[name](name))
    return request


def with_task(request: EvaluationRequest, task: SuiteTask) -> EvaluationRequest:
    """Return a request that can ask for one suite's task."""
    primary = {task.name: task.primary, **request.primary} if task.primary else request.primary
    return replace(request, include=(*request.include, materialise(task)), primary=primary)


def materialise(task: SuiteTask, root: Path | None = None) -> Path:
    """Put a task's files and data into a folder that is named by them; one that is there stays."""
    root = root or finetune_settings().file_path / "suites"
    files = dict(_files(task))
    metadata = json.dumps(dict(task.metadata), ensure_ascii=False, sort_keys=True, indent=1)
    contents = (f"{name}\0{file_digest(path)}" for name, path in sorted(files.items()))
    name = f"{task.name}-{text_digest(metadata, *contents)[:_DIGITS]}"
    folder = root.absolute() / name
    with storage_errors(root):
        if not folder.is_dir():
            _make(folder, files, metadata)
    return folder


def _files(task: SuiteTask) -> Iterator[tuple[str, Path]]:
    """Yield the task's own file, what may belong to it, and its data; other tasks stay away."""
    own = task.include_dir / f"{task.name}.yaml"
    if not own.is_file():
        raise InternalError(f"the suite's task {task.name} has no file {own.name}")
    for path in sorted(task.include_dir.iterdir()):
        if path == own or (path.is_file() and path.suffix in (".py", "")):
            yield path.name, path
    for logical, path in task.data.items():
        yield f"{logical}.jsonl", path


def _make(folder: Path, files: Mapping[str, Path], metadata: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, path in files.items():
            shutil.copyfile(path, aside / name)
        (aside / METADATA_FILE).write_text(metadata, encoding="utf-8")
        for path in aside.iterdir():
            path.chmod(0o644)
        aside.chmod(0o755)
        try:
            aside.rename(folder)
        except OSError:
            # Another maker was quicker: what is there has the same content.
            if not folder.is_dir():
                raise
    finally:
        if aside.exists():
            shutil.rmtree(aside, ignore_errors=True)
