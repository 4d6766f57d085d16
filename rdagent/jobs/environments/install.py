"""Make a role's libraries: a virtual environment filled from the wheels of its image.

It is made in place, since its scripts carry its path; a marker is written last, and
what lacks the marker is begun anew.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

from rdagent.errors import BuildFailed, InfrastructureError
from rdagent.files import atomic
from rdagent.jobs.environments.plan import COMPLETE, COMPLETE_SCHEMA
from rdagent.jobs.images.pip import run_pip
from rdagent.jobs.images.recipes import Recipe
from rdagent.jobs.images.space import GIBIBYTE, require_space
from rdagent.jobs.images.wheelhouse import ensure_wheelhouse

_NEEDS = {"train": 2 * GIBIBYTE, "lm-eval": 4 * GIBIBYTE}


def install(made_of: Recipe, torch: Path, folder: Path, *, progress: Callable[[str], None]) -> None:
    """Fill ``folder``; what an interrupted call left there is removed first."""
    wheelhouse = ensure_wheelhouse(made_of.role, progress=progress, accelerator=made_of.accelerator)
    require_space(folder.parent, _NEEDS[made_of.role], f"make the environment of {made_of.role}")
    if folder.exists():
        shutil.rmtree(folder)
    progress(f"making {folder.name} of {len(wheelhouse.wheels) + 1} wheels")
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    wheels = [*(wheelhouse.path / name for name in wheelhouse.wheels), torch]
    _install_wheels(folder, wheels, made_of.role)
    for stand_ins in made_of.stand_ins():
        shutil.copytree(stand_ins, _packages(folder), dirs_exist_ok=True)
    document = {
        "schema": COMPLETE_SCHEMA,
        "role": made_of.role,
        "python": sys.version.split()[0],
        "wheels": sorted(wheel.name for wheel in wheels),
    }
    atomic.write_json(folder / COMPLETE, document)


def _install_wheels(folder: Path, wheels: list[Path], role: str) -> None:
    """Nothing is compiled here: each module is when it is first imported, most never are."""
    quiet = ["--no-deps", "--no-index", "--no-cache-dir", "--no-compile", "--quiet"]
    try:
        run_pip(
            ["--python", str(folder / "bin" / "python"), "install", *quiet, *map(str, wheels)],
            log=f"venv-{role}",
        )
    except InfrastructureError as error:
        raise BuildFailed(
            f"the environment of {role} could not be made: {error.message}", hint=error.hint
        ) from error


def _packages(folder: Path) -> Path:
    variables = {"base": str(folder), "platbase": str(folder)}
    return Path(sysconfig.get_path("purelib", "venv", variables))
