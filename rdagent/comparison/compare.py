"""Compare a base with candidates: guard first, then pairs, tests, verdicts, one report.

The whole way in one place; each step is a module beside this one.  Nothing is printed
and nothing is decided by a renderer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from rdagent.comparison import averages, breakdowns, guard, verdicts
from rdagent.comparison.flips import Flips, find_flips
from rdagent.comparison.report import (
    Breakdown,
    CandidateReport,
    Finding,
    Looks,
    Overall,
    OverallVerdict,
    Report,
    Settings,
    TaskComparison,
)
from rdagent.comparison.sides import Side
from rdagent.comparison.tasks import (
    Compared,
    PairedTask,
    check_names,
    common_tasks,
    compare_tasks,
    pair_tasks,
    without_score,
)
from rdagent.comparison.texts import read_fields, read_lengths
from rdagent.errors import UsageError

#: The worst comes first: what a report on several candidates is called by.
_GRAVITY: tuple[OverallVerdict, ...] = (
    "not comparable",
    "regressed",
    "mixed",
    "inconclusive",
    "untested",
    "equivalent",
    "improved",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may choose."""

    settings: Settings = field(default_factory=Settings)
    #: Task → ``metric,filter`` in place of the one the task is known by.
    metrics: Mapping[str, str] = field(default_factory=dict)
    #: Task → the field of its documents that tells which belong together.
    clusters: Mapping[str, str] = field(default_factory=dict)
    #: Only these tasks; empty: all that both sides have.
    tasks: tuple[str, ...] = ()
    #: Flips shown of each task and direction.
    flips: int = 200
    force: bool = False
    command: str = ""


def compare(base: Side, candidates: Sequence[Side], options: Options, looks: Looks) -> Report:
    """Return the report on one base and its candidates."""
    check_names(base, candidates, options)
    paired = {
        side.info.name: pair_tasks(base, side, options.tasks, options.metrics)
        for side in candidates
    }
    findings = {
        side.info.name: _findings(base, side, paired[side.info.name], options)
        for side in candidates
    }
    settings = _expanded(base, candidates, options)
    compared: dict[str, tuple[Compared, ...]] = {}
    for side in candidates:
        name = side.info.name
        stopped = not options.force and any(one.level == "FATAL" for one in findings[name])
        compared[name] = (
            () if stopped else compare_tasks(base, side, paired[name], options, settings)
        )
    rows = verdicts.decide([one.primary for found in compared.values() for one in found], settings)
    reports = tuple(
        _candidate(
            base, side, findings[side.info.name], compared[side.info.name], rows, settings, options
        )
        for side in candidates
    )
    forced = options.force and any(report.fatal for report in reports)
    return Report(
        base=base.info,
        candidates=reports,
        settings=settings,
        overall=_overall(reports),
        looks=looks,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=options.command,
        forced=forced,
        notes=_notes(base, candidates),
    )


def _findings(
    base: Side, candidate: Side, paired: Sequence[PairedTask], options: Options
) -> tuple[Finding, ...]:
    tasks = common_tasks(base, candidate, options.tasks)
    if not tasks:
        told = [", ".join(list(side.results.tasks)[:3]) or None for side in (base, candidate)]
        return (Finding("FATAL", "tasks", told[0], told[1], says="no task is on both sides"),)
    of_items = [finding for one in paired if one.pairing for finding in one.pairing.findings]
    found = [
        *guard.find_differences(base, candidate, tasks),
        *of_items,
        *without_score(base, candidate, options.tasks, paired),
    ]
    return guard.merge_findings(found, tasks)


def _expanded(base: Side, candidates: Sequence[Side], options: Options) -> Settings:
    """Return the settings with groups among targets and guards replaced by their tasks."""
    known = {task for side in candidates for task in common_tasks(base, side, options.tasks)}

    def tasks_of(names: Sequence[str], flag: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name in names:
            leaves = [leaf for leaf in base.results.leaves(name) if leaf in known]
            if not leaves:
                raise UsageError(
                    f"{flag} {name}: no such task was evaluated on both sides",
                    hint=f"Tasks: {', '.join(sorted(known)[:20]) or 'none'}",
                )
            found.update(dict.fromkeys(leaves))
        return tuple(found)

    settings = options.settings
    return replace(
        settings,
        targets=tasks_of(settings.targets, "--target"),
        guards=tasks_of(settings.guards, "--guard"),
    )


def _candidate(
    base: Side,
    side: Side,
    findings: tuple[Finding, ...],
    compared: Sequence[Compared],
    decided: Sequence[TaskComparison],
    settings: Settings,
    options: Options,
) -> CandidateReport:
    name = side.info.name
    rows = tuple(row for row in decided if row.candidate_name == name)
    others = verdicts.decide([row for one in compared for row in one.others], settings)
    fatal = any(one.level == "FATAL" for one in findings)
    flips = [found for one in compared if (found := _flips(one, settings, options))]
    tasks = set(common_tasks(base, side, options.tasks))
    return CandidateReport(
        side=side.info,
        overall=verdicts.overall(rows, settings, fatal=fatal, forced=options.force),
        findings=findings,
        tasks=rows,
        others=others,
        groups=averages.groups(base.results, rows),
        averages=averages.averages(rows),
        breakdowns=_breakdowns(base, side, compared, rows, settings),
        flip_counts=tuple(found.count for found in flips),
        flips=tuple(flip for found in flips for flip in found.shown),
        only_base=_only(base, options.tasks, tasks),
        only_candidate=_only(side, options.tasks, tasks),
    )


def _only(side: Side, wanted: Sequence[str], common: set[str]) -> tuple[str, ...]:
    return tuple(
        task for task in side.results.tasks if task not in common and (not wanted or task in wanted)
    )


def _flips(one: Compared, settings: Settings, options: Options) -> Flips | None:
    if one.values is None or options.flips == 0:
        return None
    assert one.paired.base and one.paired.candidate and one.paired.pairing  # noqa: S101, PT018
    return find_flips(
        one.primary,
        one.paired.base,
        one.paired.candidate,
        one.paired.pairing.pairs,
        settings,
        options.flips,
    )


def _breakdowns(
    base: Side,
    side: Side,
    compared: Sequence[Compared],
    rows: Sequence[TaskComparison],
    settings: Settings,
) -> tuple[Breakdown, ...]:
    found = list(breakdowns.by_group(base.results, side.results, rows))
    by_task = {row.task: row for row in rows}
    for one in compared:
        row, items = by_task[one.primary.task], one.paired.base
        if one.values is None or items is None:
            continue
        fields = read_fields(items, breakdowns.SUBJECT_FIELDS)
        found.extend(breakdowns.by_field(row, one.values, fields, settings.seed))
        length = breakdowns.by_length(row, one.values, read_lengths(items), settings.seed)
        found.extend([length] if length else [])
    return tuple(found)


def _overall(reports: Sequence[CandidateReport]) -> Overall:
    if len(reports) == 1:
        return reports[0].overall
    worst = min((report.overall.verdict for report in reports), key=_GRAVITY.index)
    said = "; ".join(f"{report.side.name}: {report.overall.verdict}" for report in reports)
    return Overall(worst, said)


def _notes(base: Side, candidates: Sequence[Side]) -> tuple[str, ...]:
    found = []
    for side in candidates:
        if side.info.files and side.info.files == base.info.files:
            found.append(f"{side.info.name}: the same files were read on both sides")
    return tuple(found)
