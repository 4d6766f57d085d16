"""What there is to say of one model: what it is, how it was run, how its answers failed.

Our own runs say it in ``variant.json``, ``identity.json`` and the run's manifest, other
results in lm_eval's settings.  All of it is a stranger's text.  Used by ``read``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rdagent.comparison.arguments import arguments_of
from rdagent.comparison.lines import parse_lenient
from rdagent.comparison.report import FailureRates, SideInfo
from rdagent.comparison.sources import Source
from rdagent.errors import ResultError
from rdagent.evaluation.answers import IDENTITY_FILE
from rdagent.evaluation.publish import VARIANT_FILE
from rdagent.evaluation.results import ResultsDocument
from rdagent.evaluation.stopping import limited_by, read_stopping
from rdagent.files import untrusted
from rdagent.files.printable import one_line
from rdagent.jobs.runs import MANIFEST_FILE, REQUEST_FILE
from rdagent.records.status import STATUS_FILE

_NOTES, _LENGTH = 20, 400
#: Engines whose answers follow from the digests of a model and its adapter.
_MODELS_THEMSELVES = ("hf", "vllm")


@dataclass(frozen=True, slots=True)
class Said:
    """What a run of ours says of one of its models; empty for results of others."""

    variant: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    #: The model's entry in the run's manifest.
    made_of: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    #: Name of each file that was read → its sha256.
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def contaminated(self) -> frozenset[str]:
        """Tasks whose documents were among the rows that the model was trained on."""
        told = _mapping(self.variant, "overlap").get("contaminated")
        names = told if isinstance(told, list) else []
        return frozenset(one_line(name, 300) for name in names if isinstance(name, str))

    def rates(self, task: str, filter_name: str, counted: FailureRates) -> FailureRates:
        """Return a task's rates: what the run counted goes before what the samples show."""
        told = _mapping(_mapping(self.variant, "rates"), task)
        answers = _count(told, "answers")
        if not answers:
            return counted
        nothing = _count(_mapping(told, "nothing_extracted"), filter_name)
        documents = _count(told, "documents") or answers
        return replace(
            counted,
            truncated=_share(_count(told, "cut_at_length"), answers),
            empty=_share(_count(told, "empty"), answers),
            not_extracted=counted.not_extracted if nothing is None else _share(nothing, documents),
        )


def read_said(source: Source) -> Said:
    """Read the files of ours beside the results; one that cannot be read says nothing."""
    if source.kind != "run":
        return Said()
    folder, run = source.results.parent, source.results.parent.parent.parent
    files: dict[str, str] = {}
    variant = _read(folder / VARIANT_FILE, files)
    identity = _read(folder / IDENTITY_FILE, files)
    if folder.parent.name != "variants" or not (run / REQUEST_FILE).is_file():
        return Said(variant, identity, files=files)
    told = _read(run / MANIFEST_FILE, {}).get("variants")
    entries = [entry for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
    return Said(
        variant,
        identity,
        _mapping(_read(run / REQUEST_FILE, {}), "told"),
        next((entry for entry in entries if entry.get("name") == folder.name), {}),
        _read(run / STATUS_FILE, {}),
        files,
    )


def _read(path: Path, files: dict[str, str]) -> Mapping[str, Any]:
    try:
        content = untrusted.read_bytes(path)
        document = parse_lenient(content, path.name)
    except ResultError:
        return {}
    files[path.name] = hashlib.sha256(content).hexdigest()
    return document if isinstance(document, dict) else {}


def side_info(
    source: Source,
    document: Mapping[str, Any],
    results: ResultsDocument,
    said: Said,
    files: Mapping[str, str],
) -> SideInfo:
    """Return the model as it stands in a report."""
    config, arguments = _mapping(document, "config"), arguments_of(document)
    model = _text(_mapping(said.made_of, "model"), "name") or _text(arguments, "pretrained")
    adapter = _text(_mapping(said.made_of, "adapter"), "folder") or next(
        (found for key in ("peft", "lora_local_path", "delta") if (found := _text(arguments, key))),
        None,
    )
    told = document.get("model")
    return SideInfo(
        name=source.name,
        source=one_line(source.said, _LENGTH),
        model=model or _text(arguments, "model") or results.model or (_flat(told) or None),
        adapter=adapter,
        engine=_text(said.variant, "engine") or _text(config, "model"),
        lm_eval_version=results.lm_eval_version,
        limited=_limited(results, said, document),
        files=files,
        facts=_facts(document, said),
        notes=_notes(results, said),
    )


def _limited(results: ResultsDocument, said: Said, document: Mapping[str, Any]) -> str | None:
    if stopped := limited_by(read_stopping(_mapping(document, "config"))):
        return stopped
    subset = said.request.get("subset")
    if isinstance(subset, str) and subset:
        return one_line(subset.rpartition("/")[2].removesuffix(".json"), 100)
    if results.limit is not None:
        drawn = ", drawn at random" if said.request.get("sample") == "random" else ""
        return f"limit={results.limit:g}{drawn}"
    fewer = [
        task.name
        for task in results.tasks.values()
        if None not in (task.n_effective, task.n_original) and task.n_effective != task.n_original
    ]
    return f"a part of the documents of {', '.join(fewer[:3])}" if fewer else None


def _facts(document: Mapping[str, Any], said: Said) -> dict[str, str]:
    """Return what a reader may want to know; whatever is not known is left out."""
    config = _mapping(document, "config")
    seeds = [f"{n} {config[f'{n}_seed']}" for n in _SEEDS if config.get(f"{n}_seed") is not None]
    of, made_of = _mapping(said.identity, "of"), said.made_of
    found = {
        "dtype": said.variant.get("dtype") or config.get("model_dtype"),
        "device": said.variant.get("device") or config.get("device"),
        "batch size": said.variant.get("batch_size") or config.get("batch_size"),
        "seeds": ", ".join(seeds),
        "date": _date(document.get("date")),
        "seconds": document.get("total_evaluation_time_seconds") or _seconds(said.variant),
        "transformers": document.get("transformers_version"),
        "chat template": str(document.get("chat_template_sha") or "")[:12],
        "model digest": _mapping(made_of, "model").get("digest") or of.get("model"),
        "adapter digest": _mapping(made_of, "adapter").get("digest") or of.get("adapter"),
        "image": of.get("image"),
        "answers": said.variant.get("level"),
        "identity": _identity(said.identity),
    }
    return {name: text for name, value in found.items() if (text := _flat(value))}


_SEEDS = ("random", "numpy", "torch", "fewshot")


def _identity(identity: Mapping[str, Any]) -> str:
    """Return what stays the same when the same model is evaluated in another way."""
    of = _mapping(identity, "of")
    model, adapter = of.get("model"), of.get("adapter")
    if of.get("engine") in _MODELS_THEMSELVES and isinstance(model, str):
        return hashlib.sha256(f"{model}:{adapter or ''}".encode()).hexdigest()
    told = identity.get("identity")
    return one_line(told, 100) if isinstance(told, str) else ""


def _notes(results: ResultsDocument, said: Said) -> tuple[str, ...]:
    told = said.variant.get("notes")
    notes = [note for note in told if isinstance(note, str)] if isinstance(told, list) else []
    ended = said.status.get("status")
    if isinstance(ended, str) and ended != "done":
        notes.insert(0, f"its run ended {ended}: {said.status.get('reason')}")
    elif said.request and not said.status:
        notes.insert(0, "its run has not ended")
    return tuple(one_line(note, _LENGTH) for note in (*notes, *results.warnings))[:_NOTES]


def _date(value: Any) -> str:
    number = untrusted.finite_number(value)
    try:
        moment = datetime.fromtimestamp(number, UTC) if number is not None else None
    except (ValueError, OverflowError, OSError):
        return ""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else ""


def _seconds(variant: Mapping[str, Any]) -> str:
    parts = _mapping(variant, "seconds")
    known = [untrusted.finite_number(parts.get(name)) for name in ("plan", "infer", "score")]
    told = [number for number in known if number is not None]
    return f"{sum(told):.1f}" if told else ""


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _text(document: Mapping[str, Any], key: str) -> str | None:
    value = document.get(key)
    return one_line(value, _LENGTH) if isinstance(value, str) and value.strip() else None


def _count(document: Mapping[str, Any], key: str) -> int | None:
    value = document.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _share(count: int | None, of: int) -> float | None:
    return None if count is None else min(1.0, count / of)


def _flat(value: Any) -> str:
    return one_line(str(value), _LENGTH) if isinstance(value, str | int | float) else ""
