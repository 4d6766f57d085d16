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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdagent.errors import JobFailed, RDAgentError
from rdagent.files import paths
from rdagent.inside.evaluate import (
    answering,
    cpus,
    effect,
    engine,
    failures,
    generation,
    model_files,
)
from rdagent.inside.evaluate.answering import Shard
from rdagent.inside.evaluate.merge import Merged, merged_folder
from rdagent.inside.evaluate.prompt_lengths import PromptCount, count_prompts
from rdagent.records.answered import Answered
from rdagent.records.keys import is_sampled
from rdagent.records.plan import Request
from rdagent.records.progress import ProgressLog
from rdagent.records.requests import EvaluateRequest, Variant
from rdagent.records.status import InsideStatus

if TYPE_CHECKING:
    from rdagent.inside.evaluate.planning import Planned
    from rdagent.inside.evaluate.selection import Selection

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


@dataclass(slots=True)
class Clock:
    """How long each step took, on the monotonic clock."""

    _last: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)

    def lap(self, step: str) -> None:
        """Book the time since the last lap under a name."""
        now = time.monotonic()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now


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
        self._merged: Merged | None = None
        self._answered: dict[str, Answered] = {}
        self._kept: dict[str, answering.Kept] = {}
        self._seconds: dict[str, dict[str, float]] = {}
        self._statuses: dict[str, InsideStatus] = {}
        self._shard = work.shard

    def run(self) -> InsideStatus:
        """Return ok when every variant was scored; each one's own status is in its folder."""
        self._find_model()
        self._load_tasks()
        self._make_plan()
        if self._request.stage == "plan":
            return self._planned_only()
        for variant in self._request.variants:
            self._take_up(variant.name)
        known = [one for one in self._request.variants if self._is_known(one.name)]
        for variant in known:
            self._finish(variant, InsideStatus("ok"))
        waiting = [one for one in self._served() if one.name not in self._statuses]
        if self._request.stage == "score":
            for variant in waiting:
                self._finish(variant, self._lacking(variant.name))
        elif waiting:
            self._open_and_answer(waiting)
        failed = (status for status in self._statuses.values() if status.reason != "ok")
        return next(failed, InsideStatus("ok", f"{len(self._statuses)} variants"))

    def _take_up(self, name: str) -> None:
        folder = self._work.folders[name]
        self._kept[name] = answering.take_up(
            folder,
            self._kept_folder(name),
            self._planned.requests,
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

    def _open_and_answer(self, waiting: list[Variant]) -> None:
        """Open the engine once; each variant is scored as soon as it has answered."""
        tokenizer = None if self._tokenizer == self._model.folder else str(self._tokenizer)
        self._clock.lap("score_known")
        opened = engine.open_engine(self._request, waiting, self._model, tokenizer)
        self._clock.lap("engine")
        self._require_same_rendering(opened)
        for served in waiting:
            (variant,) = (one for one in self._request.variants if one.name == served.name)
            self._finish(variant, guarded(lambda one=served: self._answer(opened, one)))  # type: ignore[misc]
        opened.close()

    def _planned_only(self) -> InsideStatus:
        status = InsideStatus("ok", f"{len(self._planned.requests)} requests planned")
        for variant in self._request.variants:
            self._say(variant.name, status)
        return status

    def _lacking(self, name: str) -> InsideStatus:
        """Return that a variant cannot be scored, as somebody else has not answered everything."""
        missing = self._kept[name].ledger.missing(self._planned.requests)
        named = ", ".join(one.key[:12] for one in missing[:_NAMED])
        told = f"{len(missing)} of {len(self._planned.requests)} answers are missing: {named}"
        return InsideStatus("incomplete", told)

    def _find_model(self) -> None:
        first = self._request.variants[0]
        if self._request.engine == "endpoint":
            length = self._request.max_model_len or model_files.DEFAULT_LENGTH
            self._model = model_files.ModelFiles(Path(first.model), {}, length, ())
            return
        folder = Path(first.model)
        if first.merge:
            folder = merged_folder(self._request, first)
            self._merged = Merged.read(folder)
        self._model = model_files.read(folder, self._request.max_model_len)
        adapter = None if first.merge else next((v.adapter for v in self._served()), None)
        self._tokenizer = model_files.tokenizer_folder(folder, adapter)

    def _served(self) -> list[Variant]:
        """Return the variants as the engine serves them: a merged one is a model of its own."""
        folder = str(merged_folder(self._request, self._request.variants[0]))
        return [
            replace(variant, model=folder, adapter=None) if variant.merge else variant
            for variant in self._request.variants
        ]

    def _load_tasks(self) -> None:
        # Tasks come before the model: a name that is wrong costs seconds, not minutes.
        from rdagent.inside.evaluate import harness, scoring_calls, selection

        harness.seed_all(self._request.seed)
        self._selection: Selection = selection.load(
            self._request, {"pretrained": str(self._model.folder)}
        )
        scoring_calls.refuse(self._selection.leaves())
        generation.refuse_thinking(self._request, self._selection.leaves())
        self._clock.lap("tasks")

    def _make_plan(self) -> None:
        from rdagent.inside.evaluate import planning
        from rdagent.inside.evaluate.renderer import MessageRenderer, Renderer

        request = self._request
        length = self._model.max_model_len
        renderer: Renderer | MessageRenderer
        if request.engine == "endpoint":
            renderer, self._chat = MessageRenderer(length), True
        else:
            renderer = Renderer.load(self._tokenizer, request.engine, length, request.thinking)
            self._chat = _chat_template(request, has_template=renderer.template is not None)
        self._planned: Planned = planning.make_plan(
            request,
            self._selection,
            planning.Prompts(renderer),
            chat=self._chat,
            chunk_size=engine.chunk_size(request),
        )
        self._prompts: PromptCount = count_prompts(self._planned, request, length)
        if self._shard is None or self._shard.number == 0:
            self._planned.plan.write(self._work.plan, self._planned.requests)
        self._clock.lap("plan")

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
        (variant,) = (one for one in self._served() if one.name == name)
        own = {"pretrained": str(self._model.folder), "peft": variant.adapter}
        own["lora_local_path"] = variant.adapter
        args = {key: own.get(key) or value for key, value in answered.model_args.items()}
        return replace(answered, model_args=args)

    def _mine(self) -> Sequence[Request]:
        """Return what this process is to answer: everything, or its shard's chunks."""
        if self._shard is None:
            return self._planned.requests
        return [one for one in self._planned.requests if self._shard.holds(one.chunk)]

    def _require_same_rendering(self, opened: engine.Engine) -> None:
        if self._planned.prompts.example is None:
            return
        messages, adds, planned = self._planned.prompts.example
        loaded = opened.render(messages, add_generation_prompt=adds)
        if loaded is not None and loaded != planned:
            clock = "strftime_now" in (self._planned.prompts.renderer.template or "")
            if not clock:
                raise JobFailed(
                    "the loaded engine renders prompts otherwise than its tokenizer's files do",
                    reason="command_failed",
                    exit_code=6,
                    hint="evaluate with --chat-template off, or report it with the model's name",
                )

    def _answer(self, opened: engine.Engine, variant: Variant) -> InsideStatus:
        folder = self._work.folders[variant.name]
        began = time.monotonic()
        answered = opened.use(variant)
        self._answered[variant.name] = answered
        answered.write(folder)
        known = self._kept[variant.name].ledger
        mine = self._mine()
        progress = ProgressLog(
            Path(self._request.output),
            variant.name if self._shard is None else f"{variant.name} {self._shard}",
            total=len(mine),
            known=len(mine) - len(known.missing(mine)),
        )
        progress.begin()
        ledger = folder / answering.ledger_name(self._shard)
        failed = answering.answer(opened, mine, known, ledger, progress)
        self._seconds[variant.name] = {"answer": round(time.monotonic() - began, 3)}
        if failed:
            told = f"{len(failed)} requests could not be answered: {failed[0].error}"
            return InsideStatus("command_failed", told)
        return InsideStatus("ok")

    def _score(self, variant: Variant) -> InsideStatus:
        from rdagent.inside.evaluate import fewshot, output, rates, replaying, trained_prompts

        clock = Clock()
        answered, kept = self._answered[variant.name], self._kept[variant.name]
        results = replaying.score(
            self._request, self._selection, self._planned, kept.ledger, answered, chat=self._chat
        )
        found = rates.failure_rates(self._planned, kept.ledger, results)
        prompts = self._planned.prompts
        rendered = trained_prompts.rendering_notes(
            variant.adapter, prompts.renderer, chat=self._chat
        )
        overlap, told = self._overlap(variant)
        notes = [*told, *self._likeness(variant), *self._model.notes, *answered.notes]
        notes += model_files.adapter_notes(self._model, variant.adapter)
        notes += [*_merge_notes(self._merged), *rendered]
        notes += generation.thinking_notes(self._request, prompts.renderer.template)
        notes += self._prompts.notes()
        if prompts.renderer.lost_system:
            notes.append("the chat template refuses a system message; it was left out")
        origin = output.Origin(
            request=self._request,
            variant=variant,
            answered=answered,
            chat_template=prompts.renderer.template if self._chat else None,
            prompts=self._prompts.to_json(),
            plan=self._planned.plan,
            kept=kept,
            rates=found,
            overlap=overlap,
            examples_from_scored=fewshot.from_scored_documents(self._selection.leaves()),
            drawn=any(is_sampled(one.kind, one.arguments) for one in self._planned.requests),
            merged=self._merged,
        )
        folder = self._work.folders[variant.name]
        notes += output.write(folder, results, origin)
        clock.lap("score")
        seconds = {**self._clock.seconds, **self._seconds.get(variant.name, {}), **clock.seconds}
        output.write_variant(folder, origin, seconds, notes)
        return output.check_complete(results, self._selection.expected, self._planned.plan)

    def _likeness(self, variant: Variant) -> tuple[str, ...]:
        base = next((one for one in self._request.variants if one.adapter is None), None)
        if base is None or variant.adapter is None:
            return ()
        ledgers = self._kept[base.name].ledger, self._kept[variant.name].ledger
        return effect.likeness_notes(self._planned.requests, *ledgers)

    def _overlap(self, variant: Variant) -> tuple[dict[str, Any] | None, list[str]]:
        """Return what of the documents was in the rows that the adapter was trained on."""
        from rdagent.inside.evaluate import document_texts, overlap

        planned = document_texts.planned_documents(self._planned.plan.occurrences)
        texts = document_texts.DocumentTexts(self._selection.leaves(), planned)
        found = overlap.measure(variant.adapter, texts)  # reads no document without a record
        notes = [*(found.notes() if found else ()), *texts.notes]
        return (found.to_json() if found else None), notes


def _merge_notes(merged: Merged | None) -> list[str]:
    if merged is None:
        return []
    said = f"the adapter was merged into its base, saved as {merged.dtype}, and then served"
    if merged.tokenizer == merged.adapter:
        said += ", with the adapter's own tokenizer, as it resized the vocabulary"
    nothing = ["the adapter changes nothing: its answers are the base model's"]
    return [said, *(nothing if merged.largest_change == 0.0 else [])]


def _chat_template(request: EvaluateRequest, *, has_template: bool) -> bool:
    if request.chat_template and not has_template:
        raise JobFailed(
            "the base model's tokenizer has no chat template",
            reason="refused",
            exit_code=2,
            hint="evaluate without one, or add chat_template.jinja to the model",
        )
    return has_template if request.chat_template is None else request.chat_template


if __name__ == "__main__":
    sys.exit(main())
