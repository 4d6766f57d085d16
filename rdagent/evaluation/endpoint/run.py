"""One run on a server: a job plans, the host asks, a job scores.

Jobs have no network and need none for it.  ``evaluation.run`` calls this in place of the
one job that other engines are, and concludes the run as always.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from rdagent.core.settings import load
from rdagent.errors import InternalError
from rdagent.evaluation import answers
from rdagent.evaluation.endpoint.address import Endpoint, read_key
from rdagent.evaluation.endpoint.arguments import check_plan
from rdagent.evaluation.endpoint.asking import Asked, Order, ask
from rdagent.evaluation.endpoint.client import ChatClient, Patience
from rdagent.evaluation.endpoint.preflight import unencrypted
from rdagent.evaluation.job import build_job
from rdagent.evaluation.preflight import CheckedVariant, Preflight
from rdagent.files.logs import log
from rdagent.files.storage import storage_errors
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.conf import BenchmarkDockerConf, with_timeout
from rdagent.jobs.interrupts import Interrupts
from rdagent.jobs.outcome import Outcome
from rdagent.jobs.running import CANCEL_FILE
from rdagent.jobs.runs import RunFolder
from rdagent.jobs.spec import JobSpec
from rdagent.jobs.supervisor import JobEnd, Watch, only_one, run_job
from rdagent.records.reasons import Reason

PLAN_FOLDER = "plan"
#: Less would not do for a job to begin.
_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done, and for whom."""

    folder: RunFolder
    preflight: Preflight
    #: The job that plans.
    spec: JobSpec
    backend: Backend
    watch: Watch
    interrupts: Interrupts
    #: Told of the folder in which the progress is written.
    tell: Callable[[Path], None]
    #: Answers of other runs may be taken.
    reuse: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The last job of a run, and how the run ended with it."""

    spec: JobSpec
    end: JobEnd


def plan_ask_score(work: Work) -> Ended:
    """Go the whole way, within the one deadline; what was answered stays in the run's folder.

    Raises RefusedError when the server cannot be asked and nothing was answered yet,
    JobFailed when nobody is there.
    """
    return _Way(work, time.monotonic() + work.preflight.request.timeout_seconds).go()


@dataclass(frozen=True, slots=True)
class _Way:
    work: Work
    until: float

    def go(self) -> Ended:
        work = self.work
        key = read_key(work.preflight.request.endpoint_key_file)
        if key is not None and self._endpoint.is_plain:
            log().warning("{}", unencrypted(self._endpoint))
        self._client(key, "").require_reachable()
        planned = self._run_job(work.spec)
        if not planned.outcome.ok:
            return Ended(work.spec, planned)
        with storage_errors(work.folder.path):
            answers.keep_plan(planned.out, work.folder)
        begun = check_plan(work.folder.path / PLAN_FOLDER, work.preflight.request.seed)
        asked = self._ask_all(key, begun=begun)
        if any(one.reason == "ok" for one in asked) and self._ended(asked) is None:
            return self._score(asked)
        _raise_if_nothing(asked)
        outcome = Outcome(self._ended(asked) or "incomplete")
        end = replace(
            planned,
            outcome=outcome,
            message=_message(asked),
            interrupted=work.interrupts.asked,
        )
        return Ended(work.spec, end)

    def _run_job(self, spec: JobSpec) -> JobEnd:
        work = self.work
        return run_job(work.backend, spec, work.folder.attempts, work.folder.run_id, work.watch)

    def _client(self, key: SecretStr | None, model: str) -> ChatClient:
        return ChatClient(self._endpoint, model, key, Patience(left=self._left))

    @property
    def _endpoint(self) -> Endpoint:
        endpoint = self.work.preflight.endpoint
        if endpoint is None:
            raise InternalError("a server is to be asked and none is named")
        return endpoint

    def _left(self) -> float:
        return self.until - time.monotonic()

    def _ask_all(self, key: SecretStr | None, *, begun: bool) -> list[Asked]:
        """Ask one model after the other; each one's failure is its own."""
        asked: list[Asked] = []
        with only_one(self.work.folder.attempts):
            for checked in self.work.preflight.variants:
                asked.append(self._ask(checked, key, begun=begun))
                if self._ended(asked) is not None:
                    break
        return asked

    def _ask(self, checked: CheckedVariant, key: SecretStr | None, *, begun: bool) -> Asked:
        work = self.work
        target = work.folder.variant(checked.name)
        target.mkdir(parents=True, exist_ok=True)
        if work.reuse:
            answers.take_from_others(work.folder, work.preflight, checked, work.spec)
        work.folder.event("asking", variant=checked.name)
        asked = ask(
            Order(
                name=checked.name,
                plan=work.folder.path / PLAN_FOLDER,
                folder=target,
                client=self._client(key, checked.model.name),
                seed=work.preflight.request.seed,
                progress=work.folder.path,
                tell=work.tell,
                ended=self._why_to_end,
                hurry=lambda: work.interrupts.hurry,
                begun=begun,
            )
        )
        work.folder.event(
            "asked",
            variant=checked.name,
            answered=asked.answered,
            total=asked.total,
            resumed=asked.resumed,
            reused=asked.reused,
            reason=asked.reason,
        )
        return asked

    def _why_to_end(self) -> Reason | None:
        work = self.work
        marker = work.folder.attempts / CANCEL_FILE
        if work.interrupts.asked or work.watch.cancel.is_set() or marker.exists():
            return "cancelled"
        return "timeout" if self._left() <= 0 else None

    def _ended(self, asked: Sequence[Asked]) -> Reason | None:
        """Return what ended everything; None while there is more to be done."""
        ends = ("cancelled", "timeout")
        found = next((one.reason for one in asked if one.reason in ends), None)
        return found or self._why_to_end()

    def _score(self, asked: Sequence[Asked]) -> Ended:
        work = self.work
        conf = with_timeout(load(BenchmarkDockerConf), max(self._left(), _LEAST_SECONDS))
        spec = build_job(work.preflight, conf, stage="score")
        mounts = (*spec.mounts, answers.kept_mount(work.folder))
        spec = replace(spec, image=work.spec.image, mounts=mounts)
        end = self._run_job(spec)
        failed = [one for one in asked if one.reason != "ok"]
        if failed and end.outcome.reason in ("ok", "incomplete"):
            end = replace(end, message=_message(failed))
        return Ended(spec, end)


def _raise_if_nothing(asked: Sequence[Asked]) -> None:
    """Raise what ends it for all models, where that costs no answer."""
    if any(one.answered for one in asked):
        return
    for one in asked:
        if one.fatal is not None:
            raise one.fatal


def _message(asked: Sequence[Asked]) -> str:
    return "\n".join(one.message for one in asked if one.reason != "ok")
