"""What is asked of the container engine about images; the only words of docker-py used here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdagent.errors import InfrastructureError
from rdagent.files.printable import one_line
from rdagent.jobs.backends.docker_api import Refused, connect, engine_errors, is_missing, refusals

LABEL = "io.rdagent"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One image to build: a context as a stream of tar bytes, and what goes with it."""

    name: str
    dockerfile: str
    context: Iterable[bytes]
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    #: ``none``, or ``default`` where a step must reach the network.
    network: str = "none"


def _client() -> Any:
    return connect()


def image_id(name: str) -> str | None:
    """Return the id of a local image, or None; never asks a registry."""
    try:
        with refusals():
            return str(_client().inspect_image(name)["Id"])
    except Refused as refused:
        if is_missing(refused):
            return None
        raise InfrastructureError(
            f"the container engine refused to look at {name}: {one_line(str(refused))}"
        ) from refused


def labels_of(label: str, value: str) -> list[dict[str, str]]:
    """Return the labels of every local image that carries ``label`` with this value."""
    with engine_errors():
        rows = _client().images(filters={"label": f"{label}={value}"})
    return [dict(row.get("Labels") or {}) for row in rows]


def build(request: BuildRequest) -> Iterator[dict[str, Any]]:
    """Build, and yield the engine's messages; a failed step is one with ``error``."""
    with engine_errors():
        yield from _client().build(
            fileobj=request.context,
            custom_context=True,
            dockerfile=request.dockerfile,
            tag=request.name,
            buildargs=dict(request.arguments),
            labels=dict(request.labels),
            network_mode=request.network,
            pull=False,
            rm=True,
            forcerm=True,
            decode=True,
        )


def point(name: str, repository: str, tag: str) -> None:
    """Make ``repository:tag`` another name of the image ``name``."""
    with engine_errors():
        _client().tag(name, repository, tag)


def remove_name(name: str) -> None:
    """Take a name away; the image goes with its last name."""
    with engine_errors():
        _client().remove_image(name)


def import_tar(path: Path, repository: str, tag: str) -> None:
    """Make an image of a file system in a tar."""
    with engine_errors():
        _client().import_image_from_file(str(path), repository=repository, tag=tag)


def remove_stage(stage: str) -> None:
    """Remove what a build left of its first stage: the wheels, and a second copy of all."""
    with engine_errors():
        _client().prune_images({"dangling": True, "label": f"{LABEL}.stage={stage}"})


def storage_folder() -> Path | None:
    """Return where the engine keeps images, if this process can look at it."""
    with engine_errors():
        folder = Path(str(_client().info().get("DockerRootDir") or "/nowhere"))
    return folder if folder.is_dir() else None
