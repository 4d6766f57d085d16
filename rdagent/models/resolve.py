"""Find a model on this machine; nothing is ever downloaded here."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.core.settings import PathSettings, load
from rdagent.errors import RefusedError, ResultError
from rdagent.files import untrusted
from rdagent.jobs.spec import Mount
from rdagent.models.completeness import weight_problems

MOUNT_NAME = "base_model"
MOUNT_TARGETS = "/workspace/models"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on disk.

    ``mounted`` is the folder that a job gets: for the hub's cache it is larger than
    ``folder``, since a snapshot is made of links into its neighbour ``blobs``.
    """

    name: str
    folder: Path
    mounted: Path
    config: Mapping[str, Any]
    #: A job with several models gives each its own.
    mount_name: str = MOUNT_NAME

    @property
    def mount(self) -> Mount:
        """The mount that a job needs."""
        target = "base" if self.mount_name == MOUNT_NAME else self.mount_name
        return Mount(self.mount_name, str(self.mounted), f"{MOUNT_TARGETS}/{target}")

    @property
    def inside(self) -> str:
        """The model's path as a job's words say it."""
        rest = self.folder.relative_to(self.mounted).as_posix()
        return f"{{mount:{self.mount_name}}}" + ("" if rest == "." else f"/{rest}")

    @property
    def context_length(self) -> int | None:
        """How many tokens the model was made for, if its configuration says so."""
        length = self.config.get("max_position_embeddings")
        return length if isinstance(length, int) else None


def resolve_model(name: str, models: Path, hub: Path | None = None) -> LocalModel:
    """Find a model: an existing folder, one under ``models``, or one in the hub's cache.

    Raises RefusedError with the command that gets it when it is not here, and when
    what is here cannot be a model.
    """
    hub = hub or default_hub()
    looked: list[str] = []
    for folder, mounted in _candidates(name, models, hub):
        if (folder / "config.json").is_file():
            return _read(name, folder.absolute(), mounted.absolute())
        looked.append(str(folder))
    if Path(name).is_dir():
        raise RefusedError(
            f"{name} is a folder, but not a model: it has no config.json",
            hint="Give the folder that holds config.json and the weights.",
        )
    raise RefusedError(
        f"the model {name} is not on this machine; looked at {', '.join(looked)}",
        hint=f"Get it first, with a network: rdagent models download {shlex.quote(name)}",
    )


def find_folder(name: str, models: Path, hub: Path | None = None) -> Path | None:
    """Return the folder that a name means, whole or not; None when there is none."""
    for folder, _ in _candidates(name, models, hub or default_hub()):
        if folder.is_dir():
            return folder.absolute()
    return None


def all_folders(models: Path, hub: Path | None = None) -> Iterator[tuple[str, Path]]:
    """Yield every model under ``models`` and in the hub's cache: its name and its folder."""
    for path in sorted([*models.glob("*/config.json"), *models.glob("*/*/config.json")]):
        name = path.parent.relative_to(models)
        if not any(part.startswith(".") for part in name.parts):
            yield name.as_posix(), path.parent
    for cached in sorted((hub or default_hub()).glob("models--*")):
        folder = cached / "snapshots" / _revision(cached)
        if folder.is_dir():
            yield cached.name.removeprefix("models--").replace("--", "/"), folder


def _candidates(name: str, models: Path, hub: Path) -> Iterator[tuple[Path, Path]]:
    given = Path(name).expanduser()
    yield given, _mounted(given)
    if not given.is_absolute() and ".." not in given.parts:
        yield models / name, models / name
        cached = hub / f"models--{name.replace('/', '--')}"
        revision = _revision(cached)
        yield cached / "snapshots" / revision, cached


def _mounted(folder: Path) -> Path:
    """Return the folder that a model's links stay in: more than itself for a hub's snapshot."""
    cached = folder.absolute().parents
    if len(cached) > 1 and cached[0].name == "snapshots" and cached[1].name.startswith("models--"):
        return cached[1]
    return folder


def _revision(cached: Path) -> str:
    main = cached / "refs" / "main"
    if main.is_file():
        return main.read_text(encoding="ascii", errors="replace").strip() or "main"
    snapshots = cached / "snapshots"
    names = sorted(p.name for p in snapshots.iterdir()) if snapshots.is_dir() else []
    return names[-1] if names else "main"


def _read(name: str, folder: Path, mounted: Path) -> LocalModel:
    try:
        # A snapshot's config.json is a link into the hub's own blobs.
        config = untrusted.parse_json((folder / "config.json").read_bytes(), "config.json")
    except ResultError as error:
        raise RefusedError(f"the model {name} is damaged: {error.message}") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise RefusedError(
            f"{folder / 'config.json'} is not a model's configuration: it has no model_type"
        )
    if not list(folder.glob("*.safetensors")):
        _refuse_without_safetensors(name, folder)
    for problem in weight_problems(folder):
        raise RefusedError(
            f"the model {name} is not whole: {problem.message}", hint=f"{folder}\n{problem.fix}"
        )
    return LocalModel(name, folder, mounted, config)


def _refuse_without_safetensors(name: str, folder: Path) -> None:
    pickled = sorted(p.name for p in folder.glob("*.bin"))
    if pickled:
        raise RefusedError(
            f"the model {name} has its weights as pickles ({pickled[0]}), which may run code",
            hint="Get the safetensors version of it, or convert it where you trust it.",
        )
    raise RefusedError(f"the model {name} has no weights: no *.safetensors in {folder}")


def default_hub() -> Path:
    """Return the hub's cache, as the hub's own library finds it."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    home = load(PathSettings).hf_home or Path("~/.cache/huggingface")
    return home.expanduser() / "hub"
