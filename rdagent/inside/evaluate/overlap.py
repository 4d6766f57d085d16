"""Tell which documents of an evaluation an adapter was trained on.

``records/trained_on`` keeps hashes of the training's rows; ``document_texts`` yields the
documents; ``wording`` tells a document's own text from what a task's documents share.
Used by ``group``: a note and a mark, never another score.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.files.printable import one_line
from rdagent.inside.evaluate.wording import Asked, apart_from, wording_of
from rdagent.records import trained_on
from rdagent.records.trained_on import TrainedOn

#: The share of overlapping documents beyond which a task's score is marked.
CONTAMINATED = 0.05
#: The share of a document's own grams that must occur in rows.  A leaked question has all
#: of them, in whatever frame it stands; texts that are only alike rarely have any.
HITS = 0.5
#: Where grams are sampled, a single one that is found may be an accident.
FEWEST_SAMPLED = 2
CONTAMINATED_PREFIX = "contaminated: "
_NAMED = 8


@dataclass(frozen=True, slots=True)
class TaskOverlap:
    """How many documents of a task were among the rows."""

    documents: int
    #: The normalised question, alone or with its answer, is one of a row.
    exact: int = 0
    #: These, and those whose own text occurs in rows.
    overlapping: int = 0
    #: Only what they share with other documents occurs in rows: a passage, a home.
    in_context: int = 0
    #: Too few of their grams are among those that the record samples.
    undecided: int = 0

    @property
    def decided(self) -> int:
        """How many documents the record could name."""
        return self.documents - self.undecided

    @property
    def share(self) -> float:
        """The share of overlapping documents among those that could be decided."""
        return self.overlapping / self.decided if self.decided else 0.0

    @property
    def contaminated(self) -> bool:
        """Whether so many were learned that the score says little of others."""
        return self.share > CONTAMINATED

    def lines(self) -> Iterator[str]:
        """Yield what a reader of the score should know."""
        if self.overlapping:
            yield (
                f"{self.overlapping} of {self.decided} documents were in the training rows"
                f" ({100 * self.share:.1f} %)"
            )
        if self.in_context > CONTAMINATED * self.documents:
            yield (
                f"of {self.in_context} of {self.documents} documents the part that they share"
                " with others was in the training rows, not what each asks"
            )
        if self.undecided > self.decided:
            yield (
                f"whether they were in the training rows is known of {self.decided} of"
                f" {self.documents} documents only: they are short, and the rows were many"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {**asdict(self), "share": self.share, "contaminated": self.contaminated}


@dataclass(frozen=True, slots=True)
class Overlap:
    """What was found for one adapter."""

    tasks: Mapping[str, TaskOverlap]
    #: Rows that were looked at in the training, and whether these were all.
    rows: int = 0
    complete: bool = True
    #: Why nothing could be found out, if so.
    trouble: str | None = None

    def notes(self) -> list[str]:
        """Return what a reader of the scores should know; nothing where nothing overlaps."""
        if self.trouble:
            return [self.trouble]
        # Worst first: a group can have more tasks than anybody reads.
        ordered = sorted(self.tasks.items(), key=lambda item: -item[1].share)
        told = [(task, found) for task, found in ordered if any(found.lines())]
        notes = [note for task, found in told[:_NAMED] for note in _notes(task, found)]
        if rest := told[_NAMED:]:
            mark = CONTAMINATED_PREFIX if rest[0][1].contaminated else ""
            notes.append(f"{mark}the same may be said of {len(rest)} more tasks, to a lesser part")
        if notes and not self.complete:
            notes.append(f"only the first {self.rows} training rows were compared with documents")
        return notes

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document, as it stands in ``variant.json``."""
        return {
            "rows": self.rows,
            "complete": self.complete,
            "trouble": self.trouble,
            "contaminated": [task for task, found in self.tasks.items() if found.contaminated],
            "tasks": {task: found.to_json() for task, found in self.tasks.items()},
        }


def _notes(task: str, found: TaskOverlap) -> Iterator[str]:
    mark = CONTAMINATED_PREFIX if found.contaminated else ""
    for line in found.lines():
        yield f"{mark}{one_line(task, 200)}: {line}"
        mark = ""


def measure(adapter: str | None, documents: Iterable[tuple[str, int, str, str]]) -> Overlap | None:
    """Compare (task, document, question, question and answer) with an adapter's rows.

    Returns None for an adapter that does not say what it was trained on; the documents
    are not looked at then.  A record that is damaged is told of, not raised.
    """
    if adapter is None:
        return None
    try:
        rows = trained_on.read(Path(adapter))
    except (ResultError, OSError) as error:
        why = one_line(str(error), 200)
        return Overlap({}, trouble=f"what the adapter was trained on cannot be read: {why}")
    if rows is None:
        return None
    by_task: dict[str, list[Asked]] = {}
    for task, _, question, whole in documents:
        by_task.setdefault(task, []).append(Asked(question, whole))
    tasks = {task: _compare(rows, asked) for task, asked in by_task.items()}
    return Overlap(tasks, rows.rows, rows.complete)


def _compare(rows: TrainedOn, asked: Sequence[Asked]) -> TaskOverlap:
    wording = wording_of(asked)
    exact = own = in_context = undecided = 0
    for document in asked:
        tokens = document.tokens()
        if any(name in rows.texts for name in wording.names(tokens)):
            exact += 1
            continue
        mine = apart_from(wording.shared, tokens.grams)
        occurs = _occur(rows, mine)
        if occurs:
            own += 1
        elif _occur(rows, apart_from(wording.common, tokens.grams)):
            in_context += 1
        undecided += occurs is None and bool(mine)
    return TaskOverlap(len(asked), exact, exact + own, in_context, undecided)


def _occur(rows: TrainedOn, grams: Sequence[int]) -> bool | None:
    """Tell whether most of the grams occur in rows; None where that cannot be told."""
    fewest = FEWEST_SAMPLED if rows.grams.bits else 1
    sampled = {gram for gram in grams if rows.grams.samples(gram)}
    if len(sampled) < fewest:
        return None
    found = sum(gram in rows.grams for gram in sampled)
    return found >= max(fewest, HITS * len(sampled))
