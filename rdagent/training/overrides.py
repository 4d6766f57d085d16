"""The closed list of what is put over a user's configuration, and why.

A workspace's file is never edited: these values travel beside it, are printed when
the training starts and are recorded in its result.  ``docs/training-overrides.md``
shows this list; a test holds the two together.  Entries with ``by="device"`` are
applied inside the image, where the device is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rdagent.errors import RefusedError
from rdagent.training.config import TrainingConfig
from rdagent.training.datasets import DATASETS, WORKSPACE, DataFolder, Place

#: The folder under the job's output that LLaMA-Factory writes into.
ADAPTER_FOLDER = "adapter"
LOGGING_STEPS = 10


@dataclass(frozen=True, slots=True)
class Override:
    """One entry of the list: the key, when and to what it is set, why."""

    key: str
    becomes: str
    when: str
    why: str
    by: Literal["host", "device"] = "host"


ALWAYS = "always"
OVERRIDES = (
    Override(
        "model_name_or_path", "the mounted base model", ALWAYS, "a job sees the model as a mount"
    ),
    Override(
        "dataset_dir",
        "the folder in the workspace or among the shared data sets",
        "it is absolute, absent or not in the workspace",
        "a job sees the data under another path",
    ),
    Override(
        "output_dir",
        "adapter/ in the attempt's folder",
        ALWAYS,
        "a finished adapter comes into the workspace at once and whole",
    ),
    Override(
        "overwrite_output_dir",
        "true",
        ALWAYS,
        "an attempt begins with an empty folder and goes on from nothing",
    ),
    Override(
        "resume_from_checkpoint",
        "null, or the mounted checkpoint",
        "it is set, or a training is resumed",
        "a training goes on from a checkpoint with `--existing resume` only",
    ),
    Override("report_to", "none", ALWAYS, "a job has no network"),
    Override("push_to_hub", "false", "it is true", "a job has no network"),
    Override("use_swanlab", "false", "it is true", "a job has no network"),
    Override(
        "trust_remote_code",
        "false",
        "it is true and was not allowed",
        "code that comes with a model is run by those only who ask for it beside the file",
    ),
    Override(
        "logging_nan_inf_filter",
        "false",
        ALWAYS,
        "a loss that is no number would be logged as 0, and training would go on",
    ),
    Override(
        "logging_steps",
        str(LOGGING_STEPS),
        "it is absent",
        "progress, and the stop on a loss that is no number, need logs",
    ),
    Override("disable_tqdm", "true", ALWAYS, "a bar is unreadable in a log"),
    Override("cache_dir", "null", "it is set", "caches belong into the job's scratch folder"),
    Override(
        "tokenized_path",
        "a folder in the job's scratch",
        "it does not exist yet",
        "a job cannot write into the workspace",
    ),
    Override(
        "adapter_name_or_path", "the mounted folder", "it is absolute", "a job sees other paths"
    ),
    Override("media_dir", "the mounted folder", "it is absolute", "a job sees other paths"),
    Override("deepspeed", "the mounted file", "it is absolute", "a job sees other paths"),
    Override("bf16", "false", "it is true", "the device does not train in bfloat16", "device"),
    Override("pure_bf16", "false", "it is true", "the device does not train in bfloat16", "device"),
    Override("fp16", "false", "it is true", "there is no CUDA device", "device"),
    Override("tf32", "false", "it is true", "there is no CUDA device", "device"),
    Override("fp8", "false", "it is true", "there is no CUDA device", "device"),
)
WHY = {override.key: override.why for override in OVERRIDES}
_ALWAYS: dict[str, Any] = {
    "output_dir": f"{{mount:out}}/{ADAPTER_FOLDER}",
    "overwrite_output_dir": True,
    "report_to": "none",
    "logging_nan_inf_filter": False,
    "disable_tqdm": True,
}
_OFF = ("push_to_hub", "use_swanlab")
_GONE = ("resume_from_checkpoint", "cache_dir")
_PATHS = ("adapter_name_or_path", "media_dir", "deepspeed")


def host_overrides(
    config: TrainingConfig,
    data: DataFolder,
    *,
    base_model: str = "{mount:base_model}",
    shared: Path | None = None,
    trust_remote_code: bool = False,
) -> dict[str, Any]:
    """Return what the host puts over the file; paths say ``{mount:name}``.

    ``base_model`` is the model as the job sees it.  Raises RefusedError when the file
    names an absolute path that no job will see.
    """
    values = config.values
    overrides: dict[str, Any] = {"model_name_or_path": base_model, **_ALWAYS}
    overrides |= {key: False for key in _OFF if values.get(key)}
    overrides |= {key: None for key in _GONE if values.get(key) is not None}
    if values.get("trust_remote_code") and not trust_remote_code:
        overrides["trust_remote_code"] = False
    if values.get("logging_steps") is None:
        overrides["logging_steps"] = LOGGING_STEPS
    if not _is_found_from_workspace(config, data):
        overrides["dataset_dir"] = data.inside
    overrides.update(_paths(config, _places(config, data, shared)))
    return overrides


def _is_found_from_workspace(config: TrainingConfig, data: DataFolder) -> bool:
    given = config.dataset_dir
    if not given or os.path.isabs(given) or data.place.mount != WORKSPACE:
        return False
    return data.folder == Path(os.path.normpath(config.workspace / given))


def _places(config: TrainingConfig, data: DataFolder, shared: Path | None) -> list[Place]:
    places = [Place(WORKSPACE, config.workspace)]
    if shared and data.place.mount == DATASETS:
        # Only a job that takes its data from there is given that mount.
        places.append(Place(DATASETS, shared.absolute()))
    return places


def _paths(config: TrainingConfig, places: list[Place]) -> Iterator[tuple[str, str]]:
    for key in _PATHS:
        value = config.values.get(key)
        if isinstance(value, str) and os.path.isabs(value.split(",")[0]):
            yield key, ",".join(_inside(path, key, places) for path in value.split(","))
    tokenized = config.values.get("tokenized_path")
    if isinstance(tokenized, str):
        if not (config.workspace / tokenized).exists():
            yield "tokenized_path", "{mount:scratch}/tokenized"
        elif os.path.isabs(tokenized):
            yield "tokenized_path", _inside(tokenized, "tokenized_path", places)


def _inside(given: str, key: str, places: list[Place]) -> str:
    path = Path(os.path.normpath(given.strip()))
    for place in places:
        if path.is_relative_to(place.root):
            return f"{{mount:{place.mount}}}/{path.relative_to(place.root).as_posix()}"
    raise RefusedError(
        f"{key} is {given}, which a job cannot see",
        hint=f"Copy it into the workspace and name it relative to {places[0].root}.",
    )
