"""A folder with exactly the locked wheels of a role, fetched once by the host's pip.

With it a build needs no network.  The folder appears whole under its final name, with
``complete.json`` in it; what an interrupted download left is used by the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rdagent.core.settings import cache_root
from rdagent.files import atomic
from rdagent.files.locks import file_lock
from rdagent.jobs.images.pip import run_pip
from rdagent.jobs.images.recipes import Recipe, recipe
from rdagent.jobs.images.space import GIBIBYTE, require_space
from rdagent.jobs.spec import Role

COMPLETE = "complete.json"
_NEEDS = {"train": GIBIBYTE, "lm-eval": 2 * GIBIBYTE}
_REPORT_EVERY = 25


@dataclass(frozen=True, slots=True)
class Wheelhouse:
    """The wheels of a role without torch; torch lies apart, shared by the roles."""

    path: Path
    wheels: tuple[str, ...]


def ensure_wheelhouse(
    role: Role, *, progress: Callable[[str], None], accelerator: str = "cpu"
) -> Wheelhouse:
    """Return a role's wheelhouse, fetching it if it is not complete."""
    made_of = recipe(role, accelerator)
    name = f"{role}-{made_of.lock_digest()}"
    path = cache_root() / "wheels" / name
    with file_lock(
        cache_root() / "locks" / f"wheels-{name}.lock",
        lambda holder: progress(f"waiting for {holder}, which fetches the wheels of {role}"),
    ):
        if not (path / COMPLETE).is_file():
            require_space(cache_root(), _NEEDS[role], f"fetch the wheels of {role}")
            _fetch(made_of, path, progress)
    return Wheelhouse(path, tuple(sorted(wheel.name for wheel in path.glob("*.whl"))))


def _fetch(made_of: Recipe, path: Path, progress: Callable[[str], None]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    locks = [word for lock in made_of.locks for word in ("--requirement", str(lock))]
    total = sum(count_locked(lock.read_text("utf-8")) for lock in made_of.locks)
    progress(f"fetching {total} packages of {made_of.role}")
    run_pip(
        ["download", "--no-deps", "--require-hashes", "--dest", str(partial), *locks],
        log=made_of.role,
        on_line=_counter(total, progress),
    )
    _build_sources(partial, made_of.role)
    wheels = sorted(wheel.name for wheel in partial.glob("*.whl"))
    atomic.write_json(partial / COMPLETE, {"schema": "rdagent.wheels/1", "wheels": wheels})
    partial.rename(path)


def _build_sources(folder: Path, role: Role) -> None:
    """Turn the few packages that are published as source only into wheels.

    pip fetches their build tool itself; it is not part of the lock.
    """
    sources = [path for path in folder.iterdir() if path.name.endswith((".tar.gz", ".zip"))]
    if sources:
        names = [str(path) for path in sources]
        run_pip(["wheel", "--no-deps", "--wheel-dir", str(folder), *names], log=f"{role}-sources")
    for path in sources:
        path.unlink()


def count_locked(lock: str) -> int:
    """Return how many packages a lock names."""
    return sum("==" in line and not line.startswith(("#", " ")) for line in lock.splitlines())


def _counter(total: int, progress: Callable[[str], None]) -> Callable[[str], None]:
    seen = 0

    def count(line: str) -> None:
        nonlocal seen
        if line.startswith("Collecting "):
            seen += 1
            if seen % _REPORT_EVERY == 0:
                progress(f"{seen} of {total} packages")

    return count
