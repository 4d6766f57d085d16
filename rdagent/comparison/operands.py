"""What a user names on the command line: which results are meant, and what to call them.

A run and its variants, a workspace, a folder of lm_eval's, a results file, a file with
nothing but scores.  Nothing but names is looked at here; ``read`` reads what was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rdagent.comparison import search
from rdagent.comparison.sides import SideKind
from rdagent.comparison.sources import Source, named_apart, short
from rdagent.errors import ResultError, UsageError
from rdagent.evaluation.publish import RESULTS_FILE, VARIANT_FILE
from rdagent.evaluation.results_folder import EVALUATION_FILE
from rdagent.files import untrusted
from rdagent.files.printable import one_line
from rdagent.jobs.runs import REQUEST_FILE, RunFolder, find_run, load_run

__all__ = ["Source", "find_sources"]

BASE = "base"
#: A workspace's results, and the file that points to their run.
WORKSPACE_RESULTS, RUN_POINTER = "benchmark_results", "run.json"
_OWN_BASE = "Name the results of a base model before it, or evaluate both at once: 'rdagent eval'."


@dataclass(frozen=True, slots=True)
class _Operand:
    """What one word means: one model, or the several of a run."""

    word: str
    sources: tuple[Source, ...]
    #: What holds them, in words.
    what: str
    #: The run of a workspace that was named; its base may be meant as well.
    points_to: str | None = None

    @property
    def base(self) -> Source | None:
        """The base model's results among several."""
        return next((source for source in self.sources if source.name == BASE), None)


def find_sources(words: Sequence[str], root: Path) -> tuple[Source, ...]:
    """Return the results that are meant, the base first; ``root`` is where runs are kept.

    One operand alone must be a run: its base is compared with its other models.  Raises
    UsageError where nothing is found, or it is not clear what is to be compared.
    """
    if not words:
        raise UsageError("nothing to compare", hint="Name a run, or the results of two models.")
    operands = [_find(word, root) for word in words]
    if len(operands) == 1:
        return named_apart(_of_one(operands[0], root))
    found = [_base_of(operands[0])]
    for operand in operands[1:]:
        found.extend(_candidates_of(operand))
    return named_apart(found)


def _of_one(operand: _Operand, root: Path) -> list[Source]:
    if operand.points_to and len(operand.sources) == 1:
        operand = _with_base_of_its_run(operand, root)
    base = operand.base
    others = [source for source in operand.sources if source is not base]
    if base and others:
        return [base, *others]
    if len(operand.sources) == 1:
        has = "its base alone" if base else f"one model alone: {others[0].name}"
        raise UsageError(f"{operand.what} holds {has}; a comparison needs two", hint=_OWN_BASE)
    names = [source.name for source in operand.sources]
    raise UsageError(
        f"{operand.what} has no base to compare with; it holds {', '.join(names)}",
        hint=f"Say which is the base: rdagent compare {operand.word}:{names[0]}"
        f" {operand.word}:{names[1]}. Or evaluate the base as well: 'rdagent eval --base'.",
    )


def _with_base_of_its_run(operand: _Operand, root: Path) -> _Operand:
    try:
        run = find_run(root, operand.points_to or "")
    except (UsageError, ResultError):
        return operand
    base = next((one for one in _of_run(operand.word, run).sources if one.name == BASE), None)
    return replace(operand, sources=(base, *operand.sources)) if base else operand


def _base_of(operand: _Operand) -> Source:
    if len(operand.sources) == 1:
        return operand.sources[0]
    if operand.base:
        return operand.base
    raise _unclear(operand)


def _candidates_of(operand: _Operand) -> list[Source]:
    """Return the models of a later operand: all but a run's base, which stands for itself."""
    if len(operand.sources) == 1:
        return list(operand.sources)
    return [source for source in operand.sources if source is not operand.base]


def _unclear(operand: _Operand) -> UsageError:
    names = ", ".join(source.name for source in operand.sources)
    return UsageError(
        f"{operand.what} holds {len(operand.sources)} models, none called {BASE}",
        hint=f"Name one: {operand.word}:{operand.sources[0].name} ({names})",
    )


def _find(word: str, root: Path) -> _Operand:
    """Return what a word means; a path that exists goes before a run of that name."""
    path = _path(word)
    if word.strip() and _exists(path):
        return _of_path(word, path.resolve())
    name, colon, variant = word.rpartition(":")
    if not colon:
        name, variant = word, ""
    if not name.strip():
        raise UsageError(
            f"the operand {one_line(word)!r} is empty",
            hint="Name a run, a folder or a results file.",
        )
    if colon and _exists(_path(name)):
        operand = _of_path(name, _path(name).resolve())
    else:
        operand = _of_run(name, _run_called(word, name, root))
    return _one_of(operand, variant) if colon else operand


def _run_called(word: str, name: str, root: Path) -> RunFolder:
    try:
        return find_run(root, name)
    except UsageError as error:
        what, hint = error.message, error.hint
    except OSError as error:  # a name that is too long for a path
        what, hint = f"{error.strerror}", ""
    place = one_line(str(_path(word).absolute()), 300)
    raise UsageError(
        f"no results called {one_line(word)!r}: {what}",
        hint=f"Looked for a file or folder at {place} and for a run in {root}. {hint}".strip(),
    )


def _path(word: str) -> Path:
    try:
        return Path(word).expanduser()
    except RuntimeError:  # the home of a user whom nobody knows
        return Path(word)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for a path
        return False


def _one_of(operand: _Operand, variant: str) -> _Operand:
    found = tuple(source for source in operand.sources if source.name == variant)
    if found:
        return replace(operand, sources=found, points_to=None)
    names = ", ".join(source.name for source in operand.sources)
    raise UsageError(
        f"{operand.what} has no results of {one_line(variant)!r}", hint=f"It has those of {names}."
    )


def _of_path(word: str, path: Path) -> _Operand:
    if not path.is_dir():
        return _Operand(word, (_of_file(path, _said(path)),), str(path))
    run = _run_at(path)
    if run is not None:
        return _of_run(word, run)
    if _variants(path / "variants"):
        return _of_variants(word, path / "variants", path, None)
    if (path / EVALUATION_FILE).is_file() and _variants(path):
        return _of_variants(word, path, path, _run_of_copy(path / EVALUATION_FILE, "run"))
    if (path / WORKSPACE_RESULTS / RESULTS_FILE).is_file():
        return _of_workspace(word, path)
    if path.name == WORKSPACE_RESULTS and (path / RESULTS_FILE).is_file():
        return _of_workspace(word, path.parent)
    if path.parent.name == "variants" and (path / RESULTS_FILE).is_file():
        return _Operand(word, (_of_variant(path, path.parent.parent),), str(path))
    return _Operand(word, (_newest(path),), str(path))


def _run_at(path: Path) -> RunFolder | None:
    try:
        return load_run(path)
    except ResultError:
        return None


def _of_run(word: str, run: RunFolder) -> _Operand:
    operand = _of_variants(word, run.path / "variants", run.path, run.run_id)
    if not operand.sources:
        raise UsageError(
            f"the run {run.run_id} has no results",
            hint=f"Looked in {run.path / 'variants'}. 'rdagent runs show {run.run_id}' says more.",
        )
    return operand


def _variants(folder: Path) -> list[Path]:
    """Return the folders of models under ``folder``, the base first."""
    found = [path.parent for path in folder.glob(f"*/{RESULTS_FILE}") if path.is_file()]
    return sorted(found, key=lambda path: (path.name != BASE, path.name))


def _of_variants(word: str, folder: Path, whole: Path, run: str | None) -> _Operand:
    found = _variants(folder)
    sources = tuple(
        Source("run", path.name, path / RESULTS_FILE, path, run, f"{run or whole}:{path.name}")
        for path in found
    )
    return _Operand(word, sources, f"the run {run}" if run else str(whole))


def _of_variant(path: Path, run: Path) -> Source:
    run_id = run.name if (run / REQUEST_FILE).is_file() else None
    said = f"{run_id or run}:{path.name}"
    return Source("run", path.name, path / RESULTS_FILE, path, run_id, said)


def _of_workspace(word: str, path: Path) -> _Operand:
    folder = path / WORKSPACE_RESULTS
    run = _run_of_copy(path / RUN_POINTER, "run")
    kind: SideKind = "run" if (folder / VARIANT_FILE).is_file() else "lm_eval"
    said = f"workspace {path}" + (f", of run {run}" if run else "")
    source = Source(kind, short(path.name), folder / RESULTS_FILE, folder, run, said)
    return _Operand(word, (source,), f"the workspace {path}", points_to=run)


def _run_of_copy(path: Path, field: str) -> str | None:
    """Return the run that a copy of results says it is of."""
    try:
        document = untrusted.read_json(path)
    except ResultError:
        return None
    found = document.get(field) if isinstance(document, dict) else None
    return one_line(found, 100) if isinstance(found, str) and found else None


def _newest(folder: Path) -> Source:
    found = search.results_in(folder)
    if not found:
        raise UsageError(
            f"no results in {folder}",
            hint="Looked there and in its folders, three deep, for results.json, for"
            " results_<time>.json and for any JSON file with 'results': "
            + ", ".join(search.folders_in(folder)),
        )
    newest = found[-1]
    said = _said(newest)
    if len(found) > 1:
        said += f", the newest of {len(found)} in {folder}"
    return _of_file(newest, said, folder)


def _of_file(path: Path, said: str, folder: Path | None = None) -> Source:
    variant = path.name == RESULTS_FILE and (path.parent / VARIANT_FILE).is_file()
    if variant and path.parent.parent.name == "variants":
        return _of_variant(path.parent, path.parent.parent.parent)
    document = search.read_document(path)
    if search.is_scores_alone(document, path.parent):
        told = document.get("model")
        name = short(told if isinstance(told, str) and told.strip() else path.stem)
        return Source("scores", name, path, None, None, said)
    kind: SideKind = "run" if variant else "lm_eval"
    return Source(kind, _name_of(path, folder), path, path.parent, None, said)


def _said(path: Path) -> str:
    return str(path)


def _name_of(path: Path, folder: Path | None) -> str:
    """Return a short name: that of the folder that a user named, else what the file says."""
    if folder is not None:
        return short(folder.name)
    stem = search.without_stamp(path.stem)
    return short(path.parent.name if stem in ("results", "") else stem)
