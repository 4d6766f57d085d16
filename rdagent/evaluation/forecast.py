"""What an evaluation would take, and what it could tell, before time is spent on it.

From a plan: requests, tokens, documents.  How long each takes is measured in an earlier
run of the same model on the same engine; nothing is guessed where none is there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import ResultError
from rdagent.evaluation.answers import IDENTITY_FILE, LEDGER_FILE
from rdagent.evaluation.publish import VARIANT_FILE
from rdagent.files import untrusted
from rdagent.records.ledger import read_answers
from rdagent.records.lengths import LONGEST, LONGEST_NAMES
from rdagent.records.plan import Plan, Request, asked_by, read_requests
from rdagent.statistics import detectable

SCHEMA = "rdagent.forecast/1"
LEVEL, POWER, DISAGREEMENT = detectable.LEVEL, detectable.POWER, detectable.DISAGREEMENT
#: Facts of an identity that decide how fast answers come.
_SAME_SPEED = ("model", "engine", "accelerator", "gpus", "script")


@dataclass(frozen=True, slots=True)
class TaskForecast:
    """One task: how much it asks, and what its documents can tell apart."""

    documents: int
    requests: int
    prompt_tokens: int | None
    #: All answers at their longest.
    most_new_tokens: int
    #: The smallest difference, as a share of one, that would be found in a paired comparison.
    detectable: float
    #: The same when two independent runs are compared, at worst.
    detectable_unpaired: float


@dataclass(frozen=True, slots=True)
class Rates:
    """How long answers took in an earlier run."""

    run_id: str
    start_seconds: float
    #: Kind of request → seconds for one.
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Forecast:
    """One model's share; every variant asks the same."""

    tasks: Mapping[str, TaskForecast]
    #: Requests that are really put to a model: equal ones are put once.
    unique_requests: int
    kinds: Mapping[str, int]
    variants: int
    rates: Rates | None

    @property
    def seconds(self) -> float | None:
        """The time for all variants; None where nothing was measured, or not every kind was."""
        if self.rates is None or any(kind not in self.rates.seconds for kind in self.kinds):
            return None
        each = sum(count * self.rates.seconds[kind] for kind, count in self.kinds.items())
        return self.rates.start_seconds + self.variants * each

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "schema": SCHEMA,
            "variants": self.variants,
            "unique_requests": self.unique_requests,
            "kinds": dict(self.kinds),
            "seconds": self.seconds,
            "measured_in": self.rates.run_id if self.rates else None,
            "level": LEVEL,
            "power": POWER,
            "disagreement": DISAGREEMENT,
            "tasks": {
                name: {
                    "documents": task.documents,
                    "requests": task.requests,
                    "prompt_tokens": task.prompt_tokens,
                    "most_new_tokens": task.most_new_tokens,
                    "detectable": round(task.detectable, 6),
                    "detectable_unpaired": round(task.detectable_unpaired, 6),
                }
                for name, task in self.tasks.items()
            },
        }


def forecast(folder: Path, variants: int, rates: Rates | None) -> Forecast:
    """Read a plan and say what it would take; raises ResultError when it is damaged."""
    plan, requests = Plan.read(folder), list(read_requests(folder))
    documents: dict[str, set[int]] = defaultdict(set)
    asked: dict[str, list[Request]] = defaultdict(list)
    for place, request in asked_by(plan, requests):
        documents[place.task].add(place.doc_id)
        asked[place.task].append(request)
    return Forecast(
        tasks={task: _task(len(documents[task]), found) for task, found in asked.items()},
        unique_requests=len(requests),
        kinds=Counter(str(request.kind) for request in requests),
        variants=variants,
        rates=rates,
    )


def _task(documents: int, asked: list[Request]) -> TaskForecast:
    tokens = [request.tokens for request in asked]
    known = [count for count in tokens if count is not None]
    return TaskForecast(
        documents=documents,
        requests=len(asked),
        prompt_tokens=sum(known) if len(known) == len(tokens) else None,
        most_new_tokens=sum(map(_longest_answer, asked)),
        detectable=detectable.planned(documents),
        detectable_unpaired=detectable.unpaired(documents),
    )


def _longest_answer(request: Request) -> int:
    if request.kind != "generate":
        return 0
    told = request.arguments[1] if len(request.arguments) > 1 else {}
    if not isinstance(told, dict):
        raise ResultError("a request's generation arguments are no object")
    given = next((told[name] for name in LONGEST_NAMES if told.get(name) is not None), None)
    return int(given) if isinstance(given, int | float) else LONGEST


def measured_rates(root: Path, facts: Mapping[str, Any]) -> Rates | None:
    """Return how fast the same model answered before, in the newest run that says so."""
    for run in sorted(root.iterdir(), reverse=True) if root.is_dir() else ():
        for path in sorted(run.glob(f"variants/*/{IDENTITY_FILE}")):
            if _is_as_fast(path, facts) and (found := _rates(run.name, path.parent)):
                return found
    return None


def _is_as_fast(path: Path, facts: Mapping[str, Any]) -> bool:
    try:
        found = untrusted.read_json(path).get("of") or {}
    except (ResultError, AttributeError):
        return False
    return all(found.get(name) == facts.get(name) for name in _SAME_SPEED)


def _rates(run_id: str, folder: Path) -> Rates | None:
    times: dict[str, list[float]] = defaultdict(list)
    try:
        for answer in read_answers(folder / LEDGER_FILE):
            times[answer.kind].append(answer.seconds)
        seconds = untrusted.read_json(folder / VARIANT_FILE).get("seconds") or {}
    except (ResultError, AttributeError):
        return None
    start = sum(_numbers(seconds, ("tasks", "plan", "engine")))
    return Rates(run_id, start, {kind: sum(all_) / len(all_) for kind, all_ in times.items()})


def _numbers(document: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[float]:
    for name in names:
        yield untrusted.finite_number(document.get(name)) or 0.0
