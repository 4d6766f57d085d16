"""Evaluate the variants that share one model: ``python -m rdagent.inside.evaluate.group WORK``.

Plan once, open the engine once, let each variant answer what is not known yet, score
each.  Started by ``run`` in a process of its own.  Every variant's folder gets its
ledger as it grows, then results, samples and ``variant.json``; how each ended is written
beside the work.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rdagent.errors import JobFailed, RDAgentError
from rdagent.files import paths
from rdagent.inside.evaluate import (
    answering,
    cpus,
    engine,
    failures,
    preparing,
    scoring,
)
from rdagent.inside.evaluate.answering import Shard
from rdagent.inside.evaluate.clock import Clock
from rdagent.inside.evaluate.marking import Marker
from rdagent.inside.evaluate.stopping import Decider
from rdagent.records.answered import Answered
from rdagent.records.plan import Request
from rdagent.records.progress import ProgressLog
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.status import InsideStatus
from rdagent.records.stopping import StopRule

#: Set before the libraries are imported; what the job set stays.
_DEFAULTS = {
    "TOKENIZERS_PARALLELISM": "false",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
}
#: So many requests without an answer are named.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Work:
    """What one child is to do: a request of one group, and where each variant's files go."""

    request: EvaluateRequest
    folders: Mapping[str, Path]
    plan: Path
    #: Which part of the chunks is answered here; None: all of them.
    shard: Shard | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        folders = {name: str(folder) for name, folder in self.folders.items()}
        return {
            "request": self.request.to_json(),
            "folders": folders,
            "plan": str(self.plan),
            "shard": self.shard and asdict(self.shard),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Work:
        """Read the JSON document."""
        return cls(
            EvaluateRequest.from_json(document["request"]),
            {name: Path(folder) for name, folder in document["folders"].items()},
            Path(document["plan"]),
            Shard(**document["shard"]) if document.get("shard") else None,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate; what is said of it is in the files, the exit code only agrees with them."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    work = Work.from_json(json.loads(Path(path).read_text("utf-8")))
    for name, value in _variables(work.request).items():
        os.environ.setdefault(name, value)
    place = Path(path).parent
    status = guarded(lambda: _Evaluation(work, place).run())
    status.write(place)
    return 0 if status.reason == "ok" else 1


def _variables(request: EvaluateRequest) -> dict[str, str]:
    if request.num_gpus > 0:
        return _DEFAULTS
    return {
        **_DEFAULTS,
        # More threads than CPUs wait for each other: measured, up to five times slower.
        "OMP_NUM_THREADS": str(cpus.allowed_cpus()),
        # One process instead of three halves vLLM's start and keeps the cause of an error.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        # vLLM compiles a part of its log-probabilities; the image has no C++ compiler.
        "TORCHDYNAMO_DISABLE": "1",
    }


def guarded(work: Callable[[], InsideStatus]) -> InsideStatus:
    """Do it and return how it went; no exception leaves this function."""
    try:
        return work()
    except RDAgentError as error:
        return failures.describe(error)
    except Exception as error:
        traceback.print_exc()
        return failures.describe(error)


class _Evaluation:
    """The steps for one group, and what each of them found."""

    def __init__(self, work: Work, place: Path) -> None:
        self._work, self._request, self._place = work, work.request, place
        self._clock = Clock()
        self._opened: engine.Engine | None = None
        self._progress: dict[str, ProgressLog] = {}
        self._decided: scoring.Decided | None = None
        self._answered: dict[str, Answered] = {}
        self._kept: dict[str, answering.Kept] = {}
        self._seconds: dict[str, dict[str, float]] = {}
        self._statuses: dict[str, InsideStatus] = {}
        self._shard = work.shard

    def run(self) -> InsideStatus:
        """Return ok when every variant was scored; each one's own status is in its folder."""
        self._ready = preparing.prepare(self._request, self._clock)
        if self._shard is None or self._shard.number == 0:
            self._write_plan()
        self._clock.lap("plan")
        if self._request.stage == "plan":
            return self._planned_only()
        for variant in self._request.variants:
            self._take_up(variant.name)
        if self._request.stop is not None:
            self._answer_until_decided(self._request.stop)
        else:
            self._answer_everything()
        failed = (status for status in self._statuses.values() if status.reason != "ok")
        return next(failed, InsideStatus("ok", f"{len(self._statuses)} variants"))

    def _answer_everything(self) -> None:
        """Score what is known, and each other variant as soon as it has answered."""
        for variant in [one for one in self._request.variants if self._is_known(one.name)]:
            self._finish(variant, InsideStatus("ok"))
        waiting = [one for one in preparing.served(self._request) if one.name not in self._statuses]
        if self._request.stage == "score":
            for variant in waiting:
                self._finish(variant, self._lacking(variant.name))
        elif waiting:
            self._open(waiting)
            for served in waiting:
                (variant,) = (one for one in self._request.variants if one.name == served.name)
                self._finish(variant, guarded(lambda one=served: self._answer(one)))  # type: ignore[misc]
        self._close()

    def _answer_until_decided(self, rule: StopRule) -> None:
        """Let base and adapters answer in turns, then score all of them on the same documents."""
        planned = self._ready.planned
        marker = Marker(rule, planned, self._ready.selection.leaves())
        ledgers = {one.name: self._kept[one.name].ledger for one in self._request.variants}
        decider = Decider(rule, planned, marker, ledgers, self._ask)
        decider.run()
        self._decided = scoring.Decided(decider.outcome(self._request.seed), marker)
        for name, status in decider.failed.items():
            self._say(name, status)
        left = [one for one in self._request.variants if one.name not in self._statuses]
        if left:
            self._ready = self._ready.narrowed(decider.kept())
            self._write_plan()
        for variant in left:
            self._end_progress(variant.name)
            self._finish(variant, guarded(lambda one=variant: self._be_introduced(one)))  # type: ignore[misc]
        self._close()

    def _ask(self, name: str, requests: Sequence[Request]) -> InsideStatus:
        served = preparing.served(self._request)
        self._open(served)  # what fails here fails for all of them
        (variant,) = (one for one in served if one.name == name)
        return guarded(lambda: self._answer(variant, requests))

    def _be_introduced(self, variant: Variant) -> InsideStatus:
        """See that it is known who answered: without a question nobody was put on the engine."""
        if variant.name not in self._answered and not self._is_known(variant.name):
            self._use(variant)
        return InsideStatus("ok")

    def _take_up(self, name: str) -> None:
        folder = self._work.folders[name]
        self._kept[name] = answering.take_up(
            folder,
            self._kept_folder(name),
            self._ready.planned.requests,
            self._shard,
            whole_chunks=self._request.stage != "score",
        )

    def _kept_folder(self, name: str) -> Path | None:
        return Path(self._request.kept) / name if self._request.kept else None

    def _finish(self, variant: Variant, answered: InsideStatus) -> None:
        """Score a variant that has all its answers, and write how it went."""
        status = answered
        if status.reason == "ok" and self._request.stage != "infer":
            status = guarded(lambda: self._score(variant))
        self._say(variant.name, status)

    def _say(self, name: str, status: InsideStatus) -> None:
        """Write how a variant ended, at once: what comes after it may be killed."""
        self._statuses[name] = status
        place = paths.contained(self._place, name)
        place.mkdir(exist_ok=True)
        status.write(place)

    def _open(self, variants: Sequence[Variant]) -> engine.Engine:
        """Open the engine, once, with room for these variants."""
        if self._opened is None:
            files = self._ready.files
            own = None if files.tokenizer == files.model.folder else str(files.tokenizer)
            self._clock.lap("score_known")
            opened = engine.open_engine(self._request, variants, files.model, own)
            self._clock.lap("engine")
            self._require_same_rendering(opened)
            self._opened = opened
        return self._opened

    def _use(self, variant: Variant) -> engine.Engine:
        """Let the engine answer as a variant, and write who that is when it is the first time."""
        opened = self._open(preparing.served(self._request))
        answered = opened.use(variant)
        if variant.name not in self._answered:
            self._answered[variant.name] = answered
            answered.write(self._work.folders[variant.name])
        return opened

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()

    def _write_plan(self) -> None:
        self._ready.planned.plan.write(self._work.plan, self._ready.planned.requests)

    def _planned_only(self) -> InsideStatus:
        status = InsideStatus("ok", f"{len(self._ready.planned.requests)} requests planned")
        for variant in self._request.variants:
            self._say(variant.name, status)
        return status

    def _lacking(self, name: str) -> InsideStatus:
        """Return that a variant cannot be scored, as somebody else has not answered everything."""
        missing = self._kept[name].ledger.missing(self._ready.planned.requests)
        named = ", ".join(one.key[:12] for one in missing[:_NAMED])
        told = f"{len(missing)} of {len(self._ready.planned.requests)} answers are missing: {named}"
        return InsideStatus("incomplete", told)

    def _is_known(self, name: str) -> bool:
        """Tell whether a variant has every answer; then its record of who gave them is taken."""
        if self._kept[name].ledger.missing(self._mine()):
            return False
        for folder in (self._kept_folder(name), self._work.folders[name]):
            try:
                answered = Answered.read(folder) if folder else None
            except RDAgentError:
                continue
            if answered is not None:
                answered = self._as_asked_here(name, answered)
                self._answered[name] = answered
                answered.write(self._work.folders[name])
                return True
        return False

    def _as_asked_here(self, name: str, answered: Answered) -> Answered:
        """Return a record with this run's own paths: the model is the same, not its place."""
        (variant,) = (one for one in preparing.served(self._request) if one.name == name)
        own = {"pretrained": str(self._ready.files.model.folder), "peft": variant.adapter}
        own["lora_local_path"] = variant.adapter
        args = {key: own.get(key) or value for key, value in answered.model_args.items()}
        return replace(answered, model_args=args)

    def _mine(self) -> Sequence[Request]:
        """Return what this process is to answer: everything, or its shard's chunks."""
        if self._shard is None:
            return self._ready.planned.requests
        return [one for one in self._ready.planned.requests if self._shard.holds(one.chunk)]

    def _require_same_rendering(self, opened: engine.Engine) -> None:
        if self._ready.planned.prompts.example is None:
            return
        messages, adds, planned = self._ready.planned.prompts.example
        loaded = opened.render(messages, add_generation_prompt=adds)
        if loaded is not None and loaded != planned:
            clock = "strftime_now" in (self._ready.planned.prompts.renderer.template or "")
            if not clock:
                raise JobFailed(
                    "the loaded engine renders prompts otherwise than its tokenizer's files do",
                    reason="command_failed",
                    exit_code=6,
                    hint="evaluate with --chat-template off, or report it with the model's name",
                )

    def _answer(self, variant: Variant, requests: Sequence[Request] | None = None) -> InsideStatus:
        """Ask a variant what it has no answer to, of everything or of some requests."""
        folder = self._work.folders[variant.name]
        began = time.monotonic()
        opened = self._use(variant)
        asked = self._mine() if requests is None else requests
        progress = self._progress_of(variant.name)
        known = self._kept[variant.name].ledger
        ledger = folder / answering.ledger_name(self._shard)
        failed = answering.answer(opened, asked, known, ledger, progress)
        seconds = self._seconds.setdefault(variant.name, {})
        seconds["answer"] = round(seconds.get("answer", 0.0) + time.monotonic() - began, 3)
        if failed:
            told = f"{len(failed)} requests could not be answered: {failed[0].error}"
            return InsideStatus("command_failed", told)
        return InsideStatus("ok")

    def _progress_of(self, name: str) -> ProgressLog:
        if name not in self._progress:
            mine, known = self._mine(), self._kept[name].ledger
            self._progress[name] = ProgressLog(
                Path(self._request.output),
                name if self._shard is None else f"{name} {self._shard}",
                total=len(mine),
                known=len(mine) - len(known.missing(mine)),
            )
            self._progress[name].begin()
        return self._progress[name]

    def _end_progress(self, name: str) -> None:
        if name in self._progress:
            self._progress[name].end(len(self._ready.planned.requests))

    def _score(self, variant: Variant) -> InsideStatus:
        base = next((one for one in self._request.variants if one.adapter is None), None)
        own = scoring.Answers(
            variant,
            self._work.folders[variant.name],
            self._answered[variant.name],
            self._kept[variant.name],
            self._kept[base.name].ledger if base else None,
            self._seconds.get(variant.name, {}),
        )
        return scoring.score(self._ready, own, self._clock.seconds, self._decided)


if __name__ == "__main__":
    sys.exit(main())
