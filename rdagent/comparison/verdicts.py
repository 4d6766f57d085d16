"""From measured differences to verdicts: one per task, one for the whole.

All primary metrics of all candidates are one family: Holm's p-values decide, and
Benjamini-Hochberg's stand beside them.  ``measure`` fills the rows before, ``compare``
puts them into the report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rdagent.comparison.report import (
    Overall,
    OverallVerdict,
    Settings,
    TaskComparison,
    TaskVerdict,
)
from rdagent.comparison.wording import interval_text, p_said, p_text, points
from rdagent.statistics import multiplicity

#: The test of a run that ended as soon as it was decided.
STOPPED = "e-process, stopped when decided"


@dataclass(frozen=True, slots=True)
class _Verdict:
    verdict: TaskVerdict
    reason: str


def decide(rows: Sequence[TaskComparison], settings: Settings) -> tuple[TaskComparison, ...]:
    """Return the rows of one family with adjusted p-values and verdicts."""
    tested = [number for number, row in enumerate(rows) if row.p is not None]
    ps = [p for row in rows if (p := row.p) is not None]
    holm = dict(zip(tested, multiplicity.holm(ps), strict=True))
    found = dict(zip(tested, multiplicity.benjamini_hochberg(ps), strict=True))
    decided = []
    for number, row in enumerate(rows):
        adjusted = replace(row, p_holm=holm.get(number), q_bh=found.get(number))
        verdict = _verdict(adjusted, settings, family=len(tested))
        decided.append(replace(adjusted, verdict=verdict.verdict, reason=verdict.reason))
    return tuple(decided)


def gain(row: TaskComparison) -> float:
    """Return a difference with its sign turned so that more is better."""
    return row.delta if row.higher_is_better else -row.delta


def gain_interval(row: TaskComparison) -> tuple[float, float] | None:
    """Return the interval of the gain."""
    if row.ci_low is None or row.ci_high is None:
        return None
    if row.higher_is_better:
        return row.ci_low, row.ci_high
    return -row.ci_high, -row.ci_low


def _verdict(row: TaskComparison, settings: Settings, family: int) -> _Verdict:
    if row.p is None or row.p_holm is None:
        return _Verdict("untested", row.reason or "there are no items of both models to pair")
    if row.p_holm < settings.alpha and row.delta != 0:
        verdict: TaskVerdict = "improved" if gain(row) > 0 else "regressed"
        return _Verdict(verdict, f"{_moved(row)}; {_p(row, family)}")
    nothing = _nothing(row, settings, family)
    interval = gain_interval(row)
    if row.ratio and interval is not None and _is_within(interval, settings.margin):
        within = f"the interval {interval_text(row)} lies within ±{points(settings.margin)} points"
        return _Verdict("equivalent", within)
    if row.ratio and (weak := _too_weak(row, settings)):
        return _Verdict("underpowered", f"{nothing}; {weak}")
    return _Verdict("no evidence", nothing)


def _too_weak(row: TaskComparison, settings: Settings) -> str | None:
    """Return why such items could not have shown what is asked for; None when they could."""
    if row.test == STOPPED:
        return None
    if row.mde is None:
        return f"{row.n} items can show no difference at all"
    if row.mde <= settings.effect:
        return None
    return (
        f"{row.n} items show differences from about {points(row.mde)} points,"
        f" and {points(settings.effect)} are asked for"
    )


def _moved(row: TaskComparison) -> str:
    delta = f"{points(row.delta, signed=True)} points" if row.ratio else f"{row.delta:+.4g}"
    interval = interval_text(row)
    return f"{delta}, 95% interval {interval}" if interval else f"{delta}, {row.test}"


def _p(row: TaskComparison, family: int) -> str:
    alone = p_said(row.p or 0.0)
    return alone if family == 1 else f"{alone}, {p_text(row.p_holm or 0.0)} among {family} tests"


def _nothing(row: TaskComparison, settings: Settings, family: int) -> str:
    if row.b is not None and row.c is not None:
        net = row.c - row.b
        items = "item" if abs(net) == 1 else "items"
        start = f"{abs(net)} net {items} of {row.n}" if net else f"no net item of {row.n}"
    else:
        start = _moved(row)
    if row.p is not None and row.p < settings.alpha and family > 1:
        return f"{start}; {_p(row, family)}: one such among so many is expected without any effect"
    return f"{start}; {_p(row, family)}"


def _is_within(interval: tuple[float, float], margin: float) -> bool:
    low, high = interval
    return -margin < low and high < margin


def overall(
    rows: Sequence[TaskComparison], settings: Settings, *, fatal: bool, forced: bool
) -> Overall:
    """Return the decision on one candidate."""
    if fatal and not forced:
        return Overall("not comparable", "the two sides were not asked the same; see above")
    if settings.targets or settings.guards:
        return _asked_for(rows, settings)
    if not rows:
        return Overall("untested", "no task has a score on both sides")
    tested = [row for row in rows if row.verdict != "untested"]
    if not tested:
        return Overall("untested", "no task could be tested on items of both models")
    return _by_count(tested, len(rows))


def _by_count(tested: Sequence[TaskComparison], tasks: int) -> Overall:
    better = [row.task for row in tested if row.verdict == "improved"]
    worse = [row.task for row in tested if row.verdict == "regressed"]
    said = f"of {_count(tasks)}, {len(better)} improved and {len(worse)} regressed"
    if better and worse:
        return Overall("mixed", f"{said}: better {_named(better)}; worse {_named(worse)}")
    if better or worse:
        verdict: OverallVerdict = "improved" if better else "regressed"
        return Overall(verdict, f"{said}: {_named(better or worse)}")
    if all(row.verdict == "equivalent" for row in tested):
        return Overall("equivalent", f"{_count(tasks)}, none differs by more than the margin")
    weak = sum(row.verdict == "underpowered" for row in tested)
    said = f"no difference of {_count(tasks)} can be told from chance"
    return Overall("inconclusive", f"{said}; {weak} had too few items" if weak else said)


def _asked_for(rows: Sequence[TaskComparison], settings: Settings) -> Overall:
    """Targets must improve; guarded tasks must be shown not to fall by more than the margin."""
    worse = [row.task for row in rows if (row.is_target or row.is_guard) and _fell(row, settings)]
    if worse:
        return Overall("regressed", f"fell: {_named(worse)}")
    there = {row.task for row in rows}
    open_targets = [row.task for row in rows if row.is_target and row.verdict != "improved"]
    open_targets += [task for task in settings.targets if task not in there]
    open_guards = [
        row.task for row in rows if row.is_guard and not row.is_target and not _kept(row, settings)
    ]
    open_guards += [
        task for task in settings.guards if task not in there and task not in settings.targets
    ]
    targets = sum(row.is_target for row in rows)
    if open_targets or open_guards:
        parts = []
        if open_targets:
            parts.append(f"not shown to improve: {_named(open_targets)}")
        if open_guards:
            parts.append(
                f"not shown to stay within {points(settings.margin)} points: {_named(open_guards)}"
            )
        return Overall("inconclusive", "; ".join(parts))
    guards = sum(row.is_guard for row in rows)
    kept = f"; {_count(guards)} guarded, none fell by more than {points(settings.margin)} points"
    if targets:
        return Overall("improved", f"{_count(targets)} asked for improved{kept if guards else ''}")
    return Overall("equivalent", kept.removeprefix("; "))


def _fell(row: TaskComparison, settings: Settings) -> bool:
    if row.verdict != "regressed":
        return False
    return row.is_target or -gain(row) > settings.margin


def _kept(row: TaskComparison, settings: Settings) -> bool:
    interval = gain_interval(row)
    return interval is not None and interval[0] >= -settings.margin


def _count(tasks: int) -> str:
    return f"{tasks} task{'' if tasks == 1 else 's'}"


def _named(tasks: Sequence[str]) -> str:
    shown = ", ".join(tasks[:5])
    return shown if len(tasks) <= 5 else f"{shown} and {len(tasks) - 5} more"
