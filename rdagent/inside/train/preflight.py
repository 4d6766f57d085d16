"""Before the model is loaded: what will be trained, encoded by LLaMA-Factory itself.

Its tokenizer, template, data loading and processors are called, so what is counted is
what is trained.  ``samples`` counts; ``rendering`` keeps one sample for the evaluation,
``fingerprint`` hashes of all rows.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rdagent.errors import RDAgentError, RefusedError
from rdagent.files import atomic
from rdagent.files.printable import one_line
from rdagent.inside.train.fingerprint import fingerprint
from rdagent.inside.train.rendering import render
from rdagent.inside.train.samples import (
    IGNORED_LABEL,
    Preflight,
    Sample,
    count,
    doubts,
    refusal,
)
from rdagent.records.preflight import PREFLIGHT_FILE
from rdagent.records.rendering import Rendering
from rdagent.records.trained_on import TrainedOn

SAMPLED = 512
SHOWN = 3
SHOWN_CHARACTERS = 400
ENDLESS = 1 << 30
#: The stage of its data, where LLaMA-Factory names another than the training's.
_DATA_STAGE = {"dpo": "rm"}
#: What of a processed row is learned from, by stage; the pretraining stage learns from all.
_LABELS = {"sft": ("labels",), "rm": ("chosen_labels", "rejected_labels"), "kto": ("labels",)}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What LLaMA-Factory made of a configuration, short of the model."""

    model: Any
    data: Any
    training: Any
    stage: str
    tokenizer: Any
    processor: Any
    template: Any


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found; how a prompt is rendered and what is learned, for the evaluation."""

    found: Preflight
    rendering: Rendering | None
    trained_on: TrainedOn | None = None


def examine(values: Mapping[str, Any], output: Path) -> Examined:
    """Look at samples and write ``preflight.json``.

    Raises RefusedError when LLaMA-Factory refuses the configuration or the data, and
    when more samples than allowed teach nothing.
    """
    started = time.monotonic()
    loaded = load(values)
    found = Preflight(
        stage=loaded.stage,
        template=loaded.data.template,
        cutoff_len=int(loaded.data.cutoff_len),
        packing=bool(loaded.data.packing),
    )
    train = rendering = None
    try:
        if loaded.stage in _LABELS:
            train, evaluation = load_datasets(loaded)
            rendering = _examine(loaded, found, train, evaluation)
    finally:
        found.seconds = time.monotonic() - started
        atomic.write_json(output / PREFLIGHT_FILE, found.to_json())
    if found.counts and (refused := refusal(found.counts, found.cutoff_len)):
        raise RefusedError(refused.message, hint=refused.hint)
    return Examined(found, rendering, _fingerprint(loaded, train))


def load(values: Mapping[str, Any]) -> Loaded:
    """Let LLaMA-Factory read the configuration, the tokenizer and the template."""
    from llamafactory.data import get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    try:
        model, data, training, finetuning, _ = get_train_args(copy.deepcopy(dict(values)))
    except ImportError as error:
        raise RefusedError(
            f"the configuration needs a library that this image lacks: {_first_line(error)}",
            hint="Take the key that asks for it out, or add the library to the image's lock.",
        ) from error
    except (ValueError, TypeError, AssertionError, KeyError) as error:
        raise RefusedError(
            f"LLaMA-Factory refuses the configuration: {type(error).__name__}: {error}"
        ) from error
    module = load_tokenizer(model)
    size = len(module["tokenizer"])
    try:
        template = get_template_and_fix_tokenizer(module["tokenizer"], data)
    except ValueError as error:
        raise RefusedError(f"LLaMA-Factory refuses the template: {error}") from error
    stage = _DATA_STAGE.get(finetuning.stage, finetuning.stage)
    loaded = Loaded(model, data, training, stage, **module, template=template)
    _refuse_new_tokens(loaded, size)
    return loaded


def _first_line(error: BaseException) -> str:
    return one_line(str(error).splitlines()[0] if str(error) else type(error).__name__)


def _refuse_new_tokens(loaded: Loaded, size: int) -> None:
    """Refuse tokens that the template adds and the model has no embedding for."""
    added = len(loaded.tokenizer) - size
    if added <= 0 or loaded.model.resize_vocab:
        return
    try:
        config = json.loads((Path(loaded.model.model_name_or_path) / "config.json").read_text())
    except (OSError, ValueError):
        return
    rows = config.get("vocab_size") or (config.get("text_config") or {}).get("vocab_size")
    if isinstance(rows, int) and len(loaded.tokenizer) > rows:
        raise RefusedError(
            f"the template {loaded.data.template} adds {added} tokens to the tokenizer, and the"
            f" model has {rows} embeddings for {len(loaded.tokenizer)} tokens",
            hint="Leave template out, so that the model's own is used; or set resize_vocab: true"
            " and train the embeddings (additional_target: embed_tokens,lm_head).",
        )


def _examine(loaded: Loaded, found: Preflight, train: Any, evaluation: Any) -> Rendering:
    rows, some = _pick(train, loaded.training.seed)
    picked = list(some)
    encoded = [_encode(loaded, row) for row in picked]
    found.counts = count(encoded, rows)
    found.learned = _shown(loaded, encoded)
    found.notes += doubts(found.counts, "training data")
    if evaluation is not None:
        rows, some = _pick(evaluation, loaded.training.seed)
        found.evaluation = count([_encode(loaded, row) for row in some], rows)
        found.notes += doubts(found.evaluation, "data for evaluation")
    return render(loaded, picked)


def _fingerprint(loaded: Loaded, train: Any) -> TrainedOn | None:
    """Return the fingerprint of the rows; None where it fails, which ends no training."""
    try:
        rows = load_datasets(loaded)[0] if train is None else train
        made = fingerprint(rows if hasattr(rows, "__len__") else islice(rows, _streamed(loaded)))
    except Exception as error:
        why = one_line(f"{type(error).__name__}: {error}", SHOWN_CHARACTERS)
        print(f"train: what is trained on is not kept: {why}", file=sys.stderr, flush=True)
        return None
    return made


def _streamed(loaded: Loaded) -> int | None:
    """Return how many rows of a stream the steps take; None where rows are packed together."""
    training = loaded.training
    if training.max_steps <= 0 or loaded.data.packing:
        return None
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    return int(training.max_steps * batch)


def load_datasets(loaded: Loaded) -> tuple[Any, Any]:
    """Return training and evaluation data as LLaMA-Factory aligns, mixes and splits them."""
    from llamafactory.data.data_utils import get_dataset_module, split_dataset
    from llamafactory.data.loader import _get_merged_dataset
    from llamafactory.extras.misc import has_tokenized_data

    data, arguments = loaded.data, (loaded.model, loaded.data, loaded.training, loaded.stage)
    if data.tokenized_path is not None and has_tokenized_data(data.tokenized_path):
        from datasets import load_from_disk

        module = get_dataset_module(load_from_disk(data.tokenized_path))
        return module.get("train_dataset"), None
    try:
        merged = _get_merged_dataset(data.dataset, *arguments)
        held_out = _get_merged_dataset(data.eval_dataset, *arguments)
        train, evaluation = split_dataset(merged, held_out, data, seed=loaded.training.seed)
    except RDAgentError:
        raise
    except Exception as error:
        # Whatever a library says of the data, it is the data that it speaks of.
        raise RefusedError(
            f"the data cannot be loaded: {type(error).__name__}: {_cause(error)}",
            hint="Check the file, and its columns and tags in dataset_info.json.",
        ) from error
    return train["train"], next(iter(evaluation.values()), None)


def _cause(error: BaseException) -> str:
    link = error
    while link.__cause__ is not None:
        link = link.__cause__
    said = one_line(str(link)) or type(link).__name__
    return said if link is error else f"{one_line(str(error))} ({type(link).__name__}: {said})"


def _pick(dataset: Any, seed: int) -> tuple[int | None, Iterable[Mapping[str, Any]]]:
    try:
        rows = len(dataset)
    except TypeError:
        return None, islice(iter(dataset), SAMPLED)
    places = range(rows)
    if rows > SAMPLED:
        places = sorted(random.Random(seed).sample(places, SAMPLED))  # type: ignore[assignment]
    return rows, (dataset[place] for place in places)


def _encode(loaded: Loaded, row: Mapping[str, Any]) -> Sample:
    """Encode one row as it will be trained, and without a cut."""
    names = _LABELS[loaded.stage]
    if names[0] in row:
        # Encoded before, by whoever wrote the tokenized data: what was cut is not known.
        labels = list(row[names[0]])
        prompt = sum(1 for label in labels if label == IGNORED_LABEL)
        return Sample(labels, len(labels), prompt)
    trained = _processed(loaded, loaded.data, row)
    if trained is None:
        return Sample(None)
    whole = encode_whole(loaded, row) or trained
    # A pair is as good as its worse half.
    name = min(names, key=lambda each: sum(label != IGNORED_LABEL for label in trained[each]))
    return Sample(
        trained[name],
        full_length=max(len(whole[each]) for each in names),
        prompt_length=sum(1 for label in whole[name] if label == IGNORED_LABEL),
        is_cut=any(len(trained[each]) < len(whole[each]) for each in names),
        empty_answer=not loaded.data.train_on_prompt and not _decoded(loaded, trained[name]),
    )


def encode_whole(loaded: Loaded, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Encode one row as if there were no cut; None for a row that is dropped."""
    uncut = copy.copy(loaded.data)
    uncut.cutoff_len = ENDLESS
    return _processed(loaded, uncut, row)


def _processed(loaded: Loaded, data: Any, row: Mapping[str, Any]) -> dict[str, Any] | None:
    from llamafactory.data import processor as processors

    kinds = {
        "sft": processors.SupervisedDatasetProcessor,
        "rm": processors.PairwiseDatasetProcessor,
        "kto": processors.FeedbackDatasetProcessor,
    }
    processor = kinds[loaded.stage](
        template=loaded.template,
        tokenizer=loaded.tokenizer,
        processor=loaded.processor,
        data_args=data,
    )
    done = processor.preprocess_dataset({name: [value] for name, value in row.items()})
    return {name: value[0] for name, value in done.items()} if any(done.values()) else None


def _decoded(loaded: Loaded, labels: Sequence[int], *, special: bool = False) -> str:
    learned = [label for label in labels if label != IGNORED_LABEL]
    return str(loaded.tokenizer.decode(learned, skip_special_tokens=not special)).strip()


def _shown(loaded: Loaded, samples: Sequence[Sample]) -> list[str]:
    kept = [sample for sample in samples if sample.labels is not None]
    step = max(1, len(kept) // SHOWN)
    texts = [_decoded(loaded, each.labels or (), special=True) for each in kept[::step][:SHOWN]]
    return [one_line(text, SHOWN_CHARACTERS) for text in texts]


def say(found: Preflight) -> None:
    """Print what was found into the log."""
    counts = found.counts
    if counts is None:
        print(f"train: preflight: stage {found.stage} is not counted", file=sys.stderr)
        return
    share = counts.supervised_tokens / counts.tokens if counts.tokens else 0.0
    lines = [
        f"{counts.sampled} samples, {100 * share:.0f} % of their tokens are learned from,"
        f" {counts.cut} cut, {counts.dropped} dropped, {counts.masked} without a supervised token"
    ]
    lines += [f"learns {text}" for text in found.learned] + found.notes
    for line in lines:
        print(f"train: preflight: {line}", file=sys.stderr, flush=True)
