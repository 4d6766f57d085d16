"""An evaluation that has ended, read back from its run's folder.

What a job wrote is checked when it is kept and again when it is read: damaged results
are no results.  Used by ``run``; the doors print it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdagent.core.feedback import TaskScore
from rdagent.errors import ResultError
from rdagent.evaluation.metrics import Average, average
from rdagent.evaluation.preflight import Preflight
from rdagent.evaluation.primary import primary_scores
from rdagent.evaluation.publish import VARIANT_FILE
from rdagent.evaluation.results import read_results
from rdagent.evaluation.stopping import limited_by, read_stopping
from rdagent.files import untrusted
from rdagent.files.printable import one_line
from rdagent.jobs.runs import RunFolder
from rdagent.records.events import read_events
from rdagent.records.limits import Limit
from rdagent.records.status import RunStatus
from rdagent.records.stopping import STOPPING_KEY, Stopping

SCHEMA = "rdagent.evaluation/1"
#: A note is a stranger's text: so many, of such a length.
_NOTES, _NOTE_LENGTH = 20, 400


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """How many requests a variant answered, and where the answers are from."""

    asked: int
    #: Taken from another run of the very same model.
    reused: int
    #: Taken from an earlier attempt of this run.
    resumed: int


@dataclass(frozen=True, slots=True)
class VariantResult:
    """What one model scored."""

    name: str
    model: str
    adapter: str | None
    scores: Mapping[str, TaskScore]
    average: Average
    missing: tuple[str, ...]
    notes: tuple[str, ...]
    folder: Path
    answers: AnswerCounts | None = None
    #: How far the same request gives the same again: exact, engine-deterministic, seeded.
    level: str | None = None
    #: How often answers failed in ways that can be counted, by task.
    rates: Mapping[str, Mapping[str, Any]] | None = None
    #: Tasks whose documents were among the rows that the adapter was trained on.
    contaminated: tuple[str, ...] = ()
    #: Tasks whose prompts show other documents of those that are scored.
    examples_from_scored: tuple[str, ...] = ()
    #: How far each task came where the run was to stop when decided, and what was decided.
    stopping: Stopping | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run that has ended."""

    run_id: str
    folder: Path
    status: RunStatus
    variants: tuple[VariantResult, ...]
    notes: tuple[str, ...]
    limit: Limit | None
    #: How the documents that a limit leaves were chosen; None without a limit.
    sample: str | None = None
    #: The named set of documents that was asked; None: those that the limit leaves.
    subset: str | None = None
    message: str = ""
    job_exit_code: int | None = None
    log_tail: str = ""
    #: Whether the run had ended before and nothing was computed now.
    reused: bool = False

    def variant(self, name: str) -> VariantResult | None:
        """Return one model's result."""
        return next((variant for variant in self.variants if variant.name == name), None)

    @property
    def stopping(self) -> Stopping | None:
        """What came of a run that was to stop when decided: the same for all its models."""
        return next((one.stopping for one in self.variants if one.stopping is not None), None)

    def limited(self) -> str | None:
        """Return what is left out, in words; None when everything was evaluated."""
        left_out = (self._asked_for(), limited_by(self.stopping))
        return "; ".join(said for said in left_out if said) or None

    def _asked_for(self) -> str | None:
        if self.subset is not None:
            return self.subset
        if self.limit is None:
            return None
        drawn = ", drawn at random" if self.sample == "random" else ""
        return f"limit={self.limit:g}{drawn}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document; numbers are fractions."""
        return {
            "schema": SCHEMA,
            "run": self.run_id,
            "folder": str(self.folder),
            "status": self.status.status,
            "reason": self.status.reason,
            "reused": self.reused,
            "limit": self.limit,
            "sample": self.sample,
            "subset": self.subset,
            STOPPING_KEY: self.stopping.to_json() if self.stopping else None,
            "notes": list(self.notes),
            "variants": [_variant_json(variant) for variant in self.variants],
        }


def _variant_json(variant: VariantResult) -> dict[str, Any]:
    answers = variant.answers
    return {
        "name": variant.name,
        "model": variant.model,
        "adapter": variant.adapter,
        "average": variant.average.value,
        "scores": {
            task: {
                "metric": score.metric,
                "filter": score.filter,
                "value": score.value,
                "stderr": score.stderr,
                "n": score.n,
                "higher_is_better": score.higher_is_better,
            }
            for task, score in variant.scores.items()
        },
        "missing": list(variant.missing),
        "level": variant.level,
        "answers": answers
        and {"asked": answers.asked, "reused": answers.reused, "resumed": answers.resumed},
        "contaminated": list(variant.contaminated),
        "rates": variant.rates and {task: dict(rates) for task, rates in variant.rates.items()},
        "notes": list(variant.notes),
    }


def read_variant(folder: RunFolder, preflight: Preflight, name: str) -> VariantResult | None:
    """Return one variant's result, None when it has none; raises ResultError for a damaged one."""
    path = folder.variant(name) / "results.json"
    if not path.exists():
        return None
    primary = primary_scores(read_results(path), preflight.tasks.names, preflight.request.primary)
    checked = next(checked for checked in preflight.variants if checked.name == name)
    said = _said_inside(folder.variant(name))
    answers = _answers(said)
    if answers is not None and preflight.endpoint is not None:
        answers = _counted_by_host(folder, name, answers)
    return VariantResult(
        name=name,
        model=checked.model.name,
        adapter=str(checked.adapter.path) if checked.adapter else None,
        scores=primary.scores,
        average=average(primary.scores),
        missing=primary.missing,
        notes=(*primary.notes, *_notes(said), *_reused(folder, name, answers)),
        folder=folder.variant(name),
        answers=answers,
        level=_level(said),
        rates=_rates(said),
        contaminated=_names(said.get("overlap"), "contaminated"),
        examples_from_scored=_names(said, "examples_from_scored"),
        stopping=read_stopping(said) if preflight.request.stop_when_decided else None,
    )


def read_variants(folder: RunFolder, preflight: Preflight) -> tuple[VariantResult, ...]:
    """Return every variant that has a sound result."""
    found = []
    for checked in preflight.variants:
        try:
            result = read_variant(folder, preflight, checked.name)
        except ResultError:
            continue
        if result:
            found.append(result)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class LostAnswers:
    """What a kill left in a ledger and cannot be used: an unfinished chunk, a torn line."""

    dropped: int
    torn: bool


def lost_answers(folder: Path) -> LostAnswers:
    """Return what of a variant's earlier answers had to be asked again."""
    counts = _said_inside(folder).get("answers")
    counts = counts if isinstance(counts, dict) else {}
    dropped = untrusted.finite_number(counts.get("dropped")) or 0
    return LostAnswers(max(int(dropped), 0), counts.get("torn") is True)


def _said_inside(folder: Path) -> dict[str, Any]:
    """Return what the program inside had to say of a variant; empty when that cannot be read."""
    try:
        said = untrusted.read_json(folder / VARIANT_FILE)
    except ResultError:
        return {}
    return said if isinstance(said, dict) else {}


def _notes(said: Mapping[str, Any]) -> tuple[str, ...]:
    notes = said.get("notes")
    told = notes if isinstance(notes, list) else []
    return tuple(one_line(note, _NOTE_LENGTH) for note in told[:_NOTES] if isinstance(note, str))


def _answers(said: Mapping[str, Any]) -> AnswerCounts | None:
    counts = said.get("answers")
    if not isinstance(counts, dict):
        return None
    numbers = [counts.get(name) for name in ("asked", "reused", "resumed")]
    if not all(isinstance(number, int) and number >= 0 for number in numbers):
        return None
    return AnswerCounts(*numbers)  # type: ignore[arg-type]


def _counted_by_host(folder: RunFolder, name: str, answers: AnswerCounts) -> AnswerCounts:
    """Return the counts of a model that the host asked: to the job all answers were there."""
    counts: dict[str, int] = {}
    for event in read_events(folder.path):
        if event.get("event") == "asked" and event.get("variant") == name:
            told = {what: event.get(what) for what in ("resumed", "reused")}
            counts = {what: count for what, count in told.items() if isinstance(count, int)}
    return replace(answers, **counts)


def _reused(folder: RunFolder, name: str, answers: AnswerCounts | None) -> tuple[str, ...]:
    if answers is None or not answers.reused:
        return ()
    found = [
        event.get("run")
        for event in read_events(folder.path)
        if event.get("event") == "answers_found" and event.get("variant") == name
    ]
    runs = list(dict.fromkeys(map(str, found)))
    source = f"run {', '.join(runs)}" if runs else "another run"
    return (f"{answers.reused} of {answers.asked} answers were taken from {source}",)


def _level(said: Mapping[str, Any]) -> str | None:
    level = said.get("level")
    return level if level in ("exact", "engine-deterministic", "seeded") else None


def _rates(said: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Return the counts by task; whatever is no count is left out."""
    rates = said.get("rates")
    if not isinstance(rates, dict):
        return None
    return {
        one_line(str(task), 200): _counts(found)
        for task, found in rates.items()
        if isinstance(found, dict)
    }


def _names(said: Any, field: str) -> tuple[str, ...]:
    found = said.get(field) if isinstance(said, dict) else None
    told = found if isinstance(found, list) else []
    return tuple(one_line(task, 200) for task in told if isinstance(task, str))


def _counts(found: Mapping[str, Any]) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for name, value in found.items():
        if isinstance(value, dict):
            counts[one_line(str(name), 100)] = _counts(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            counts[one_line(str(name), 100)] = value
    return counts
