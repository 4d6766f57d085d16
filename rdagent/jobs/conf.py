"""How the seed's users configure a container: the fields keep their names.

``BENCHMARK_DOCKER_*`` and ``FT_DOCKER_*`` set the same fields for the evaluation
and the training container.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from rdagent.core.settings import SETTINGS_CLASSES, Settings, load
from rdagent.jobs.images import recipe_root
from rdagent.jobs.images.own import own_name
from rdagent.jobs.profiles import Resources
from rdagent.jobs.spec import Role

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)


def parse_size(value: str | int) -> int:
    """Return the bytes that ``32g``, ``512m`` or a number mean."""
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"{value!r} is not a size such as 32g or 512m")
    return int(float(match.group(1)) * _UNITS[match.group(2).lower()])


class DockerConf(Settings):
    """What every container has; None leaves a limit to the job's profile."""

    role: Role = "lm-eval"
    dockerfile_folder_path: Path = Field(
        default_factory=recipe_root, description="Folder of the recipe; one of your own is built."
    )
    image: str | None = Field(
        default=None, description="Image to use; empty: the one built of the recipe."
    )
    mount_path: str = Field(default="/workspace/", description="Where the workspace is seen.")
    default_entry: str = Field(default="true", description="What runs when nothing else is said.")
    running_timeout_period: float = Field(
        default=3600, gt=0, description="Deadline of a run, in seconds."
    )
    mem_limit: str | None = Field(
        default=None,
        description="Memory, swap included, such as 32g; empty: 85 % of the host at most.",
    )
    shm_size: str | None = Field(default=None, description="Shared memory, such as 8g.")
    enable_gpu: bool = Field(default=True, description="Use GPUs where there are some.")
    network: str = Field(default="none", pattern="^(none|bridge)$", description="none or bridge.")
    extra_volumes: dict[str, str] = Field(
        default_factory=dict,
        description="Further read-only folders, host to container, as a JSON object.",
    )

    @field_validator("mem_limit", "shm_size")
    @classmethod
    def _is_size(cls, value: str | None) -> str | None:
        if value is not None:
            parse_size(value)
        return value

    @property
    def own_recipe(self) -> Path | None:
        """The folder of a recipe that is not ours, if the user named one."""
        ours = recipe_root() in (path := self.dockerfile_folder_path.absolute(), path.parent)
        return None if ours else path

    @property
    def chosen_image(self) -> str | None:
        """The image that the user wants, None for ours; one that is named wins over a recipe."""
        return self.image or (own_name(self.own_recipe) if self.own_recipe else None)

    def resources(self) -> Resources:
        """Return the limits as the profiles take them."""
        return Resources(
            deadline_seconds=self.running_timeout_period,
            memory_bytes=parse_size(self.mem_limit) if self.mem_limit else None,
            shm_bytes=parse_size(self.shm_size) if self.shm_size else None,
        )


class BenchmarkDockerConf(DockerConf):
    """The evaluation container."""

    model_config = SettingsConfigDict(env_prefix="BENCHMARK_DOCKER_")

    dockerfile_folder_path: Path = Field(
        default_factory=lambda: recipe_root() / "lm_eval",
        description="Folder of the recipe; one of your own, with a Dockerfile, is built.",
    )
    default_entry: str = Field(
        default="bash /app/eval_entrypoint.sh", description="What runs when nothing else is said."
    )


class FTDockerConf(DockerConf):
    """The training container."""

    model_config = SettingsConfigDict(env_prefix="FT_DOCKER_")

    role: Role = "train"
    dockerfile_folder_path: Path = Field(
        default_factory=lambda: recipe_root() / "train",
        description="Folder of the recipe; one of your own, with a Dockerfile, is built.",
    )
    default_entry: str = Field(
        default="bash /app/train_entrypoint.sh", description="What runs when nothing else is said."
    )
    running_timeout_period: float = Field(
        default=36000, gt=0, description="Deadline of a training, in seconds."
    )


class LocalConf(Settings):
    """What a command without a container has; nothing of it isolates."""

    model_config = SettingsConfigDict(env_prefix="FT_LOCAL_")

    role: Role = "lm-eval"
    bin_path: str = Field(
        default="", description="Folders, with colons, where programs are looked for first."
    )
    default_entry: str = Field(default="true", description="What runs when nothing else is said.")
    running_timeout_period: float = Field(
        default=3600, gt=0, description="Deadline of a run, in seconds."
    )
    mem_limit: str | None = Field(
        default=None, description="Memory of all processes, such as 32g; empty: as for containers."
    )
    enable_gpu: bool = Field(default=True, description="Use GPUs where there are some.")
    extra_volumes: dict[str, str] = Field(
        default_factory=dict,
        description="Further folders, host to container, as a JSON object; seen where they are.",
    )
    live_output: bool = Field(default=False, description="Show the output as it comes, on stderr.")

    @field_validator("mem_limit")
    @classmethod
    def _is_size(cls, value: str | None) -> str | None:
        if value is not None:
            parse_size(value)
        return value

    def resources(self) -> Resources:
        """Return the limits as the profiles take them."""
        return Resources(
            deadline_seconds=self.running_timeout_period,
            memory_bytes=parse_size(self.mem_limit) if self.mem_limit else None,
        )


SETTINGS_CLASSES += [BenchmarkDockerConf, FTDockerConf, LocalConf]


C = TypeVar("C", bound=DockerConf)


def container_conf(role: Role) -> DockerConf:
    """Return how the user configured the containers of a role."""
    return load(FTDockerConf) if role == "train" else load(BenchmarkDockerConf)


def with_timeout(conf: C, seconds: float | None) -> C:
    """Return the configuration with another deadline."""
    changes: dict[str, Any] = {} if seconds is None else {"running_timeout_period": seconds}
    return conf.model_copy(update=changes)
