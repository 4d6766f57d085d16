"""Run one build: its output to a log, its steps to the caller, its failure as BuildFailed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rdagent.core.settings import cache_root
from rdagent.errors import BuildFailed, InfrastructureError
from rdagent.files.printable import printable
from rdagent.jobs.images import engine
from rdagent.jobs.images.engine import BuildRequest

_KEPT_LINES = 20


def run_build(request: BuildRequest, *, progress: Callable[[str], None]) -> str:
    """Build and return the image's id."""
    log = cache_root() / "logs" / f"{request.name.replace(':', '-')}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        with log.open("w", encoding="utf-8") as sink:
            for line in output_lines(engine.build(request)):
                sink.write(line + "\n")
                kept.append(line)
                if line.startswith("Step "):
                    progress(line)
    except InfrastructureError as error:
        raise _failed(request.name, kept, log, error.message) from error
    built = engine.image_id(request.name)
    if built is None:
        raise _failed(request.name, kept, log, "the engine reported no image")
    return built


class _StepFailed(InfrastructureError):
    """What the engine says when a step of a build fails."""


def output_lines(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a build's output as printable lines; raises when a message tells of a failure."""
    for message in messages:
        if "error" in message:
            raise _StepFailed(printable(str(message["error"])))
        for line in printable(str(message.get("stream", ""))).splitlines():
            if line.strip():
                yield line


def _failed(name: str, kept: Iterable[str], log: Path, why: str) -> BuildFailed:
    said = "\n".join([*kept, why])
    return BuildFailed(f"Docker build failed: {name}\n{said}", hint=f"The whole output: {log}")
