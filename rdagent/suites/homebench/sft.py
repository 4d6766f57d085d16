"""Tuning on HomeBench: a workspace for LLaMA-Factory, and where its adapter goes.

``sft_rows`` decides what is trained on; ``training.run()`` trains the workspace and knows
nothing of homes.  ``running`` finds the adapter where it is put here.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rdagent.errors import UsageError
from rdagent.files import atomic
from rdagent.suites.homebench.names import ModelName
from rdagent.suites.homebench.sft_rows import Rows

CONFIG, NAMES, DATA, INFO = "train.yaml", "rows.txt", "homebench.jsonl", "dataset_info.json"
SUMMARY = "sft.json"
SCHEMA = "rdagent.homebench.sft/1"
DATA_SET = "homebench"
#: Enough for every released home with four examples.
CUTOFF = 6144
SAVE_STEPS = 500


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a model is tuned; what is not said here has LLaMA-Factory's default."""

    batch_size: int = 1
    grad_accum: int = 64
    epochs: float = 2.0
    learning_rate: float = 1e-4
    rank: int = 16
    #: None: twice the rank.
    alpha: int | None = None
    dropout: float = 0.1
    #: None: ``CUTOFF``, or what the model was made for where that is less.
    cutoff: int | None = None
    #: Layers are computed twice and their values not kept: slower, for large models.
    gradient_checkpointing: bool = True
    seed: int = 1234
    #: Keys of LLaMA-Factory's, put over all of this.
    more: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Raise UsageError for numbers that cannot be meant."""
        for name, value in (
            ("batch_size", self.batch_size),
            ("grad_accum", self.grad_accum),
            ("epochs", self.epochs),
            ("lr", self.learning_rate),
            ("rank", self.rank),
            ("alpha", self.alpha or 1),
            ("cutoff", CUTOFF if self.cutoff is None else self.cutoff),
        ):
            if value <= 0:
                raise UsageError(f"--{name} {value}: a number above 0 is expected")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"--dropout {self.dropout}: a share under 1 is expected")

    def cutoff_for(self, context_length: int | None) -> int:
        """Return how many tokens a row may have."""
        return self.cutoff or min(CUTOFF, context_length or CUTOFF)


def workspace_of(name: ModelName) -> Path:
    """Return where a model's training lies when nobody says: beside its adapter."""
    return name.adapter.with_name(f"{name.adapter.name}.sft")


def write_workspace(
    folder: Path, rows: Rows, tuning: Tuning, name: ModelName, context_length: int | None
) -> None:
    """Write data, names of the rows and ``train.yaml``; ``llamafactory-cli train`` reads them too.

    What is in the folder beside these files stays there.
    """
    tuning.check()
    if not rows.asked.records:
        raise UsageError("there is no training record", hint="Look at train_data*.jsonl.")
    with atomic.replaced(folder / DATA) as sink:
        sink.writelines(line.encode("utf-8") for line in rows.lines())
    atomic.write_text(folder / NAMES, "".join(f"{each}\n" for each in rows.names))
    columns = {"prompt": "instruction", "response": "output"}
    if rows.turns > 1:
        columns["history"] = "history"
    atomic.write_json(folder / INFO, {DATA_SET: {"file_name": DATA, "columns": columns}})
    values = configuration(tuning, name.model, tuning.cutoff_for(context_length))
    atomic.write_text(folder / CONFIG, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    atomic.write_json(folder / SUMMARY, summary(rows))


def configuration(tuning: Tuning, model: str, cutoff: int) -> dict[str, Any]:
    """Return LLaMA-Factory's settings; it learns from the answers alone unless told otherwise."""
    return {
        "model_name_or_path": model,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": tuning.rank,
        "lora_alpha": tuning.alpha or 2 * tuning.rank,
        "lora_dropout": tuning.dropout,
        "lora_target": "all",
        "dataset": DATA_SET,
        "dataset_dir": ".",
        "cutoff_len": cutoff,
        "output_dir": "output",
        "per_device_train_batch_size": tuning.batch_size,
        "gradient_accumulation_steps": tuning.grad_accum,
        "train_sampling_strategy": "group_by_length",
        "num_train_epochs": tuning.epochs,
        "learning_rate": tuning.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_ratio": 0.03,
        # Taken back, and said so, where the device has none.
        "bf16": True,
        "disable_gradient_checkpointing": not tuning.gradient_checkpointing,
        "logging_steps": 10,
        "logging_first_step": True,
        "save_steps": SAVE_STEPS,
        "save_total_limit": 1,
        "seed": tuning.seed,
        **tuning.more,
    }


def summary(rows: Rows) -> dict[str, Any]:
    """Return what the rows are, as a JSON document."""
    asking = rows.asking
    return {
        "schema": SCHEMA,
        "data": str(asking.data),
        "mode": asking.mode,
        "style": asking.style,
        "shots": [shot.record.id for shot in rows.asked.shots],
        "retriever": asking.retriever if asking.mode == "rag" else None,
        "top_k": asking.top_k if asking.mode == "rag" else None,
        "seed": asking.seed,
        "records": len(rows.asked.records),
        "turns": rows.turns,
        "homes": len({record.home_id for record in rows.asked.records}),
        "categories": dict(rows.categories),
        "left_out": {"duplicates": rows.duplicates, "leaks": rows.leaks},
        "contradictions": rows.contradictions,
    }


def read_more(words: list[str]) -> dict[str, Any]:
    """Read ``key=value`` as a line of ``train.yaml`` would be read."""
    found = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key:
            raise UsageError(f"--set {word}: key=value is expected, as lora_target=q_proj,v_proj")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def place_adapter(made: Path, target: Path) -> Path | None:
    """Copy an adapter to where ``--use_finetuned`` looks; returns where the former one went.

    A reader sees the former one or the new one, or for an instant none.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        shutil.copytree(made, staging, dirs_exist_ok=True)
        staging.chmod(0o755)
        previous = _put_aside(target)
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return previous


def _put_aside(target: Path) -> Path | None:
    if not target.is_symlink() and not target.exists():
        return None
    previous = target.with_name(f"{target.name}.previous")
    if previous.is_symlink() or previous.is_file():
        previous.unlink()
    elif previous.exists():
        shutil.rmtree(previous)
    return target.rename(previous)
