"""Which files a folder holds: the adapter's own, a checkpoint's, a full model's, a pickle."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rdagent.adapters.problems import Problem, problem, some

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
PICKLED_FILES = ("adapter_model.bin", "adapter_model.pt")
INDEX_FILES = ("adapter_model.safetensors.index.json", "adapter_model.bin.index.json")
_SHARD = re.compile(r"adapter_model-\d+-of-\d+\.(safetensors|bin)")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_FULL_MODEL = re.compile(
    r"(model|pytorch_model|consolidated|tf_model)[-._\w]*\.(safetensors|bin|pth)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """The folder that holds the adapter, and what was said on the way to it."""

    folder: Path
    problems: tuple[Problem, ...]

    @property
    def broken(self) -> bool:
        """Whether there is nothing to read."""
        return any(found.severity == "error" for found in self.problems)


def find_adapter(path: Path) -> Found:
    """Find the adapter in a folder, or else in the last checkpoint below it."""
    try:
        names = sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return Found(path, (_without_folder(path),))
    except OSError as error:
        return Found(path, (problem("unreadable", f"{path} cannot be listed: {error.strerror}"),))
    if WEIGHTS_FILE in names:
        return Found(path, _beside_weights(path, names))
    checkpoint = _last_checkpoint(path, names)
    if checkpoint is not None and not _is_full_model(names):
        said = problem("checkpoint_used", f"{path} holds no adapter; {checkpoint.name} was taken")
        return Found(checkpoint, (said, *_beside_weights(checkpoint, os.listdir(checkpoint))))
    return Found(path, (_without_weights(path, names),))


def _without_folder(path: Path) -> Problem:
    if os.path.lexists(path):
        what = "is a link to nothing" if path.is_symlink() and not path.exists() else "is no folder"
        return problem("folder_missing", f"No adapter weight file ({path} {what})")
    return problem("folder_missing", f"No adapter weight file ({path} does not exist)")


def _beside_weights(folder: Path, names: list[str]) -> tuple[Problem, ...]:
    said = []
    if CONFIG_FILE not in names:
        said.append(problem("config_missing", f"{folder} has weights but no {CONFIG_FILE}"))
    pickles = [name for name in names if name in PICKLED_FILES]
    if pickles:
        said.append(problem("pickle_beside", f"{some(pickles)} is not read"))
    return tuple(said)


def _last_checkpoint(path: Path, names: list[str]) -> Path | None:
    steps = [(int(match[1]), match[0]) for name in names if (match := _CHECKPOINT.fullmatch(name))]
    for _, name in sorted(steps, reverse=True):
        folder = path / name
        if not folder.is_symlink() and (folder / WEIGHTS_FILE).is_file():
            return folder
    return None


def _is_full_model(names: list[str]) -> bool:
    return any(_FULL_MODEL.fullmatch(name) for name in names)


def _without_weights(path: Path, names: list[str]) -> Problem:
    pickles = [name for name in names if name in PICKLED_FILES]
    shards = [name for name in names if name in INDEX_FILES or _SHARD.fullmatch(name)]
    if pickles:
        return problem("pickle_only", f"{pickles[0]} is a pickle, which may run code ({path})")
    if shards:
        return problem("weights_sharded", f"the weights in {path} are split: {some(shards)}")
    if _is_full_model(names):
        return problem("full_model", f"No adapter weight file ({path} looks like a full model)")
    if not names:
        return problem("weights_missing", f"No adapter weight file ({path} is empty)")
    below = [name for name in names if (path / name / CONFIG_FILE).is_file()]
    others = [name for name in names if name.endswith((".safetensors", ".bin", ".gguf"))]
    fix = None
    if below:
        fix = f"Give the folder itself: {path / below[0]}"
    elif others:
        fix = f"If {others[0]} is the adapter, its name must be {WEIGHTS_FILE}."
    return problem("weights_missing", f"No adapter weight file ({path} has no {WEIGHTS_FILE})", fix)
