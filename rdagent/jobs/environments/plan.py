"""The names that a role's environment would have now, found without making or fetching.

Like an image it has two parts: the libraries, rebuilt when a lock changes, and our own
code, copied when it does.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rdagent.core.settings import cache_root
from rdagent.files.digests import text_digest, tree_digest
from rdagent.jobs.images.recipes import TAG_LENGTH, Recipe, recipe
from rdagent.jobs.images.torch_wheel import TorchWheel, recorded_torch
from rdagent.jobs.spec import Accelerator, Role

#: Written last into the libraries' folder: without it the folder is half made.
COMPLETE = "complete.json"
COMPLETE_SCHEMA = "rdagent.environment/1"
_ALL = ("torch", "libraries", "code")


@dataclass(frozen=True, slots=True)
class RoleEnvironment:
    """Something that jobs of a role can run in."""

    name: str
    #: Folders that a program is looked for in before the system's.
    programs: tuple[str, ...]
    #: Folder of the entry scripts: what is ``/app`` in an image.
    app: Path
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EnvironmentPlan:
    """What a role needs; names are None while torch was never fetched."""

    made_of: Recipe
    torch: TorchWheel | None
    libraries: Path | None
    code: Path | None
    name: str | None
    #: Of torch, libraries, code: what would have to be made.
    missing: tuple[str, ...]


def plan_environment(role: Role, accelerator: Accelerator = "cpu") -> EnvironmentPlan:
    """Say what a role's environment is called and what of it is missing; makes nothing."""
    made_of = recipe(role, accelerator)
    torch = recorded_torch(made_of.torch_requirement)
    if torch is None:
        return EnvironmentPlan(made_of, None, None, None, None, _ALL)
    digest = libraries_digest(made_of, torch)
    libraries = cache_root().absolute() / "venvs" / f"{role}-{digest}"
    tag = made_of.code_digest(digest)
    code = cache_root().absolute() / "code" / f"{role}-{tag}"
    there = {"libraries": is_complete(libraries), "code": code.is_dir()}
    missing = tuple(part for part, found in there.items() if not found)
    return EnvironmentPlan(made_of, torch, libraries, code, environment_name(role, tag), missing)


def environment_name(role: Role, tag: str) -> str:
    """Return the name under which results tell what they were made in."""
    return f"rdagent-{role}-venv:{tag}"


def libraries_digest(made_of: Recipe, torch: TorchWheel) -> str:
    """Return the digest of locks, torch, stand-ins and the Python that they are installed for."""
    paths = [made_of.folder / "torch.txt", *made_of.locks]
    paths += [p for folder in made_of.stand_ins() for p in folder.rglob("*") if p.is_file()]
    files = tree_digest(made_of.root, [p for p in paths if "__pycache__" not in p.parts])
    python = f"{sys.implementation.cache_tag} {platform.python_version()} {sys.base_prefix}"
    parts = ("venv/1", made_of.accelerator, torch.identity, python, platform.machine(), files)
    return text_digest(*parts)[:TAG_LENGTH]


def is_complete(libraries: Path) -> bool:
    """Tell whether an environment was made to its end, and its Python is still there."""
    return (libraries / COMPLETE).is_file() and (libraries / "bin" / "python").exists()
