"""``--stop-when-decided`` on the host: who may ask for it, what it is told, and what came of it.

Base and adapters answer the same documents in turns, inside; a task ends when an anytime-
valid test has decided.  Here such a request is checked, and the outcome put into words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rdagent.errors import ResultError, UsageError
from rdagent.evaluation.primary import candidates, preference
from rdagent.evaluation.request import EvaluationRequest
from rdagent.files.printable import one_line
from rdagent.records.stopping import STOPPING_KEY, StoppedTask, Stopping, StopRule, Verdict

if TYPE_CHECKING:
    from rdagent.evaluation.preflight import Preflight

_OPTION = "--stop-when-decided"


def check_stopping(request: EvaluationRequest) -> None:
    """Raise UsageError for a request that may stop and has nothing to compare in pairs."""
    if not request.stop_when_decided:
        return
    if request.engine == "endpoint":
        raise UsageError(
            f"{_OPTION} lets models answer in turns; a server is asked for one after the other",
            hint=f"Leave {_OPTION} out, or use engine hf or vllm.",
        )
    if not request.with_base:
        raise UsageError(
            f"{_OPTION} compares adapters with their base, which is left out",
            hint="Leave --no-base out.",
        )
    if not request.variants:
        raise UsageError(
            f"{_OPTION} compares adapters with their base, and there is no adapter",
            hint="Name one, or leave it out.",
        )
    for named in request.variants:
        if named.adapter is None or named.model is not None:
            raise UsageError(
                f"{_OPTION} compares adapters with their base; {named.name!r} is another model",
                hint=f"Evaluate {named.name!r} apart, or leave {_OPTION} out.",
            )


def check_serving(request: EvaluationRequest, merged: Collection[str], *, processes: int) -> None:
    """Raise UsageError where base and adapters would not be on one engine."""
    if not request.stop_when_decided:
        return
    if merged:
        raise UsageError(
            f"{_OPTION} needs adapters that share an engine with their base; vLLM cannot serve"
            f" {', '.join(sorted(merged))} without merging it into its base",
            hint="Use --engine hf, or evaluate it apart.",
        )
    if processes > 1:
        raise UsageError(
            f"{_OPTION} needs one process that asks and scores; with --tensor-parallel"
            f" {request.tensor_parallel} there are {processes}",
            hint="Leave --tensor-parallel out: the GPUs then share one model.",
        )


def stop_rule(preflight: Preflight) -> StopRule:
    """Return what the program inside is told: by which metric each task is decided."""
    chosen = preflight.request.primary
    names = {name: None for name in preflight.tasks.names}
    names |= {part.name: None for parts in preflight.tasks.parts.values() for part in parts}
    wanted = {
        name: ((chosen[name],) if name in chosen else ()) + tuple(candidates(name))
        for name in names
    }
    return StopRule(
        metrics={name: keys for name, keys in wanted.items() if keys},
        preference=tuple(preference()),
    )


def read_stopping(said: Mapping[str, Any]) -> Stopping | None:
    """Return what a variant's record says of it; None where it does not, or nothing sound."""
    if said.get(STOPPING_KEY) is None:
        return None
    try:
        return Stopping.from_json(said[STOPPING_KEY])
    except ResultError:
        return None


def limited_by(stopping: Stopping | None) -> str | None:
    """Return which documents were left out as it was decided, in words; None for none."""
    if stopping is None or not stopping.stopped:
        return None
    return f"stopped when decided: {one_line(stopping.said(), 1000)}"


def stopping_lines(stopping: Stopping | None, adapter: str) -> Iterator[tuple[str, str]]:
    """Yield, by task, what was decided on an adapter, after how many documents, how surely."""
    for task, found in (stopping.tasks if stopping else {}).items():
        verdict = found.adapters.get(adapter)
        if found.why_not is not None:
            told = f"all {found.planned} documents were answered: {one_line(found.why_not, 200)}"
            yield one_line(task, 200), told
        elif verdict is not None:
            yield one_line(task, 200), _said(found, verdict)


def _said(task: StoppedTask, verdict: Verdict) -> str:
    numbers = f"(e = {verdict.e:.3g}, p = {verdict.p:.2g} whenever one looks)"
    if task.stopped:
        early = f"stopped early: {task.answered} of {task.planned} documents"
        after = "" if verdict.decided_at == task.answered else f" after {verdict.decided_at}"
        decided = f"decided: {verdict.decision}{after}" if verdict.decision else "not decided"
        return f"{early}, {decided} {numbers}"
    if verdict.decision is None:
        return f"not decided after all {task.planned} documents {numbers}"
    said = f"{verdict.decided_at} of {task.planned} documents"
    return f"decided: {verdict.decision} after {said}, none left out {numbers}"
