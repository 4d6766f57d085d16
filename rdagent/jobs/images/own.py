"""An image of the user's own recipe: a folder with a ``Dockerfile``, built by content.

Used where ``*_DOCKERFILE_FOLDER_PATH`` names a folder that is not ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from rdagent.core.settings import cache_root
from rdagent.errors import RefusedError
from rdagent.files.digests import tree_digest
from rdagent.files.locks import file_lock
from rdagent.jobs.images import context, engine
from rdagent.jobs.images.build import run_build
from rdagent.jobs.images.engine import LABEL, BuildRequest
from rdagent.jobs.images.recipes import TAG_LENGTH
from rdagent.jobs.ready import Ready

REPOSITORY = "rdagent-own"
DOCKERFILE = "Dockerfile"
FILES_LIMIT = 10_000


def own_name(folder: Path) -> str:
    """Return the name that the folder's image has: its content decides."""
    return f"{REPOSITORY}:{tree_digest(folder, _files(folder).values())[:TAG_LENGTH]}"


def ensure_own(folder: Path, *, progress: Callable[[str], None]) -> Ready:
    """Build the folder's image if it is not there; its steps may reach the network."""
    started = time.monotonic()
    name, files = own_name(folder), _files(folder)
    with file_lock(
        cache_root() / "locks" / f"{name.replace(':', '-')}.lock",
        lambda holder: progress(f"waiting for {holder}, which builds {name}"),
    ):
        built = engine.image_id(name) is None
        if built:
            progress(f"building {name} of {folder}")
            request = BuildRequest(
                name=name,
                dockerfile=DOCKERFILE,
                context=context.stream(files),
                arguments={},
                labels={f"{LABEL}.inputs": name.split(":")[1]},
                network="default",
            )
            run_build(request, progress=progress)
    return Ready(name, built, time.monotonic() - started)


def _files(folder: Path) -> dict[str, Path]:
    if not (folder / DOCKERFILE).is_file():
        raise RefusedError(
            f"{folder} holds no {DOCKERFILE}",
            hint="Unset the setting ..._DOCKERFILE_FOLDER_PATH, or name a folder that has one.",
        )
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path
        if len(found) > FILES_LIMIT:
            raise RefusedError(f"{folder} holds more than {FILES_LIMIT} files: no recipe")
    return found
