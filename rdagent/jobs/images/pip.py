"""The host's own pip, with the host's own configuration; its output goes to a log."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

from rdagent.core.settings import cache_root
from rdagent.errors import InfrastructureError, RefusedError
from rdagent.files.printable import last_lines, printable

PYTHON = (3, 11)
_NOTHING_MATCHES = ("No matching distribution found", "Could not find a version that satisfies")


class PipFailed(InfrastructureError):
    """pip ended with an error; ``nothing_matches`` says that it found no such package."""

    def __init__(self, message: str, *, hint: str, nothing_matches: bool) -> None:
        super().__init__(message, hint=hint, retryable=not nothing_matches)
        self.nothing_matches = nothing_matches


def run_pip(
    arguments: Sequence[str], *, log: str, on_line: Callable[[str], None] | None = None
) -> None:
    """Run pip; what it says is kept in the cache's ``logs/pip-<log>.txt``."""
    if sys.version_info[:2] != PYTHON:
        raise RefusedError(
            f"wheels for the images are fetched with Python 3.11, not {sys.version.split()[0]}",
            hint="Run this with Python 3.11, or build by hand: the README of "
            "rdagent/scenarios/finetune/docker/lm_eval says how.",
        )
    path = cache_root() / "logs" / f"pip-{log}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
    with path.open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
        with process:
            for line in process.stdout or ():
                sink.write(line)
                if on_line:
                    on_line(line)
    if process.returncode:
        said = path.read_text("utf-8")
        raise PipFailed(
            f"pip {arguments[0]} failed:\n{last_lines(printable(said), 8)}",
            hint=f"The whole output: {path}",
            nothing_matches=any(words in said for words in _NOTHING_MATCHES),
        )
