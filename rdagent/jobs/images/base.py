"""The image that the others stand on: a small Debian with Python 3.11.

RDAGENT_BASE_IMAGE names one that is there already; else one is made of Debian's packages,
for machines that reach no registry.  Making it twice gives different bytes, so its id,
not its recipe, goes into the names of what is built on it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rdagent.core.settings import PathSettings, cache_root, load
from rdagent.errors import BuildFailed, ImageUnavailable, InternalError
from rdagent.files import atomic
from rdagent.files.digests import tree_digest
from rdagent.files.locks import file_lock
from rdagent.files.printable import last_lines, printable
from rdagent.jobs.images import engine
from rdagent.jobs.images.recipes import TAG_LENGTH, base_files, recipe_root
from rdagent.jobs.images.space import GIBIBYTE, require_space
from rdagent.jobs.spec import Accelerator

REPOSITORY = "rdagent-base"


@dataclass(frozen=True, slots=True)
class Base:
    """A base image; ``given`` when the user named it."""

    name: str
    image_id: str
    given: bool


def known_base(accelerator: Accelerator = "cpu") -> Base | None:
    """Return the base that is there, or was: its id is remembered."""
    given = load(PathSettings).rdagent_base_image
    name = given or made_name(accelerator)
    found = engine.image_id(name)
    if found is None and given:
        raise ImageUnavailable(
            f"the base image {given} is not there", hint=f"Get it with: docker pull {given}"
        )
    if found is None and _record(name).is_file():
        found = _record(name).read_text("utf-8").strip()
    return Base(name, found, bool(given)) if found else None


def made_name(accelerator: Accelerator = "cpu") -> str:
    """Return the name of the base that this package makes."""
    root = recipe_root()
    return f"{REPOSITORY}:{tree_digest(root, base_files(root, accelerator))[:TAG_LENGTH]}"


def ensure_base(*, progress: Callable[[str], None], accelerator: Accelerator = "cpu") -> Base:
    """Return a base image that is there, making it if the user named none."""
    base = known_base(accelerator)
    if base and engine.image_id(base.name):
        return base
    name = made_name(accelerator)
    with file_lock(
        cache_root() / "locks" / f"{name.replace(':', '-')}.lock",
        lambda holder: progress(f"waiting for {holder}, which makes {name}"),
    ):
        if engine.image_id(name) is None:
            require_space(cache_root(), GIBIBYTE, "make the base image")
            progress(f"making {name} of Debian's packages")
            _make(name, accelerator)
    made = engine.image_id(name)
    if made is None:
        raise InternalError(f"{name} was imported and is not there")
    atomic.write_text(_record(name), f"{made}\n")
    return Base(name, made, given=False)


def _make(name: str, accelerator: Accelerator) -> None:
    repository, tag = name.split(":")
    log = cache_root() / "logs" / f"{repository}-{tag}.txt"
    tar = cache_root() / "base" / f"{tag}.tar"
    for path in (log, tar):
        path.parent.mkdir(parents=True, exist_ok=True)
    script, *packages = map(str, base_files(recipe_root(), accelerator))
    try:
        with log.open("wb") as errors, tar.open("wb") as sink:
            ended = subprocess.run(
                ["bash", script, *packages], stdout=sink, stderr=errors, check=False
            )
        if ended.returncode:
            said = last_lines(printable(log.read_text("utf-8", "replace")), 8)
            raise BuildFailed(
                f"Docker build failed: {name}\n{said}",
                hint=f"The whole output: {log}. Or set RDAGENT_BASE_IMAGE to an image with "
                "Python 3.11, such as python:3.11-slim-bookworm.",
            )
        engine.import_tar(tar, repository, tag)
    finally:
        tar.unlink(missing_ok=True)


def _record(name: str) -> Path:
    return cache_root() / "base" / f"{name.rsplit(':', 1)[-1]}.id"
