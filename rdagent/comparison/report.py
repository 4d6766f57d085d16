"""The one report object: every format is a rendering of it and computes nothing.

``compare`` makes it; ``document`` writes it as JSON and reads it back.  All shares are
fractions; a difference is candidate minus base, whichever direction is better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SCHEMA = "rdagent.comparison/1"

Level = Literal["FATAL", "WARN", "INFO"]
TaskVerdict = Literal[
    "improved", "regressed", "equivalent", "no evidence", "underpowered", "untested"
]
OverallVerdict = Literal[
    "improved", "regressed", "mixed", "equivalent", "inconclusive", "untested", "not comparable"
]
#: Which average over tasks: each task once, or each item once.
AverageKind = Literal["macro", "item-weighted"]
#: What a breakdown cuts the items by.
Cut = Literal["group", "subject", "length"]
#: A flip's direction: the candidate got an item right that the base got wrong, or the reverse.
Direction = Literal["gained", "lost"]
#: Part of a word diff: in both answers, only in the base's, only in the candidate's.
Part = Literal["same", "base", "candidate"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SideInfo:
    """One model as it stands in the report."""

    #: Short and unique in the report: ``base``, an adapter's name, a folder's name.
    name: str
    #: What was read: a run and its variant, a folder, a file.
    source: str
    model: str | None
    adapter: str | None
    engine: str | None
    lm_eval_version: str | None
    #: Set when only a part of the documents was evaluated.
    limited: str | None
    #: Name of each file that was read → its sha256.
    files: Mapping[str, str] = field(default_factory=dict)
    #: Named facts for a reader: dtype, date, digests, seeds, time, tokens.
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that differs between two sides, found before any number."""

    level: Level
    field: str
    base: str | None
    candidate: str | None
    #: None: of the whole evaluation.
    task: str | None = None
    says: str = ""


@dataclass(frozen=True, slots=True)
class FailureRates:
    """How often a side's answers of one task failed, as shares; None where it is not known."""

    truncated: float | None = None
    empty: float | None = None
    not_extracted: float | None = None
    #: The mean length of an answer in characters.
    mean_length: float | None = None


@dataclass(frozen=True, slots=True)
class TaskComparison:
    """One task's metric after one filter, base against candidate."""

    task: str
    #: The candidate's name.
    candidate_name: str
    metric: str
    #: None where the metric has no filter.
    filter: str | None
    higher_is_better: bool
    #: Whether values are shares of one, so that percent makes sense.
    ratio: bool
    #: How many items were answered by both.
    n: int
    #: Means over the items of both; the reported scores where there are no items.
    base: float
    candidate: float
    delta: float
    ci_low: float | None
    ci_high: float | None
    #: Base right and candidate wrong, and the reverse; None for graded scores.
    b: int | None
    c: int | None
    #: The test's name, such as ``mcnemar exact``; None when there was none.
    test: str | None
    p: float | None
    p_holm: float | None
    q_bh: float | None
    #: The smallest difference that n such items would show in four of five repetitions:
    #: with the disagreement found, and with the one assumed beforehand.
    mde: float | None
    mde_planned: float | None
    verdict: TaskVerdict
    #: The verdict's reason, one sentence.
    reason: str
    #: The reported scores over all of a side's items, paired or not.
    base_reported: float | None = None
    candidate_reported: float | None = None
    base_stderr: float | None = None
    candidate_stderr: float | None = None
    #: The difference as a share of the base; None when the base is too near zero.
    relative: float | None = None
    #: Items that one side alone answered: how many, and the first ids.
    only_base: int = 0
    only_candidate: int = 0
    unpaired_ids: tuple[str, ...] = ()
    #: Items of both that have no number on one side: left out.
    without_number: int = 0
    #: How many clusters the items fall into; None when each stands alone.
    clusters: int | None = None
    #: Answers drawn per item, averaged first.
    samples_per_item: int = 1
    base_rates: FailureRates = FailureRates()
    candidate_rates: FailureRates = FailureRates()
    #: The strict filter gains and the flexible one does not: the format was learned, no more.
    format_only: bool = False
    #: Documents of this task were among the rows that the candidate was trained on.
    contaminated: bool = False
    is_target: bool = False
    is_guard: bool = False


@dataclass(frozen=True, slots=True)
class Average:
    """A mean over the primary metrics that are shares of one, direction adjusted."""

    kind: AverageKind
    base: float
    candidate: float
    delta: float
    interval: Interval | None
    tasks: int
    items: int
    #: Task → why it is left out.
    excluded: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stratum:
    """One part of a breakdown."""

    name: str
    n: int
    base: float
    candidate: float
    delta: float
    interval: Interval | None
    #: Whether values are shares of one.
    ratio: bool = True


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A task or group by its parts; exploratory, no verdict rests on it."""

    of: str
    cut: Cut
    #: The field of the documents, or the group's name.
    by: str
    strata: tuple[Stratum, ...]
    #: The whole goes one way and all its parts the other.
    simpson: bool = False


@dataclass(frozen=True, slots=True)
class DiffPart:
    """A run of words of a word diff."""

    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class Flip:
    """One item that one side got right and the other wrong."""

    task: str
    item: str
    direction: Direction
    question: str
    target: str
    base_answer: str
    candidate_answer: str
    base_extracted: str
    candidate_extracted: str
    diff: tuple[DiffPart, ...] = ()


@dataclass(frozen=True, slots=True)
class FlipCount:
    """How many items flipped in a task, and how many of them are in the report."""

    task: str
    gained: int
    lost: int
    shown: int


@dataclass(frozen=True, slots=True)
class Overall:
    """The decision on one candidate."""

    verdict: OverallVerdict
    reason: str


@dataclass(frozen=True, slots=True)
class CandidateReport:
    """Everything on one candidate."""

    side: SideInfo
    overall: Overall
    findings: tuple[Finding, ...]
    #: One row per task: its primary metric.
    tasks: tuple[TaskComparison, ...]
    #: Other metrics and filters; no verdict rests on them, their p-values stand alone.
    others: tuple[TaskComparison, ...] = ()
    #: Groups as lm_eval reports them; their members are in ``tasks``.
    groups: tuple[Stratum, ...] = ()
    averages: tuple[Average, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    flip_counts: tuple[FlipCount, ...] = ()
    flips: tuple[Flip, ...] = ()
    #: Tasks that only one side has.
    only_base: tuple[str, ...] = ()
    only_candidate: tuple[str, ...] = ()

    @property
    def fatal(self) -> bool:
        """Whether the two sides cannot be compared."""
        return any(finding.level == "FATAL" for finding in self.findings)

    def with_verdict(self, verdict: TaskVerdict) -> tuple[TaskComparison, ...]:
        """Return the tasks of one verdict, the largest difference first."""
        found = [task for task in self.tasks if task.verdict == verdict]
        return tuple(sorted(found, key=lambda task: -abs(task.delta)))


@dataclass(frozen=True, slots=True)
class Looks:
    """How often this base was compared on these benchmarks in this run root, this time included."""

    count: int
    #: Other candidates that were compared before.
    candidates: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What was decided before any number was looked at."""

    alpha: float = 0.05
    power: float = 0.8
    #: Within this the models count as equal, and a guarded task may fall by it.
    margin: float = 0.02
    #: The smallest difference worth finding.
    effect: float = 0.05
    seed: int = 1234
    targets: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A comparison of one base with one or more candidates."""

    base: SideInfo
    candidates: tuple[CandidateReport, ...]
    settings: Settings
    overall: Overall
    looks: Looks
    #: UTC, ISO 8601.
    created: str
    command: str
    #: A fatal finding was overridden: every page says so.
    forced: bool = False
    notes: tuple[str, ...] = ()
