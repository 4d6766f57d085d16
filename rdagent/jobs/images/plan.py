"""The names that a role's images would have now, found without building or fetching."""

from __future__ import annotations

from dataclasses import dataclass

from rdagent.errors import ImageUnavailable
from rdagent.jobs.images import engine
from rdagent.jobs.images.base import Base, known_base
from rdagent.jobs.images.recipes import recipe
from rdagent.jobs.images.torch_wheel import TorchWheel, known_torch
from rdagent.jobs.spec import Accelerator, Role


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What a role needs; a name is None while something it depends on is not known yet."""

    role: Role
    accelerator: Accelerator
    base: Base | None
    torch: TorchWheel | None
    deps: str | None
    name: str | None
    #: Of base, torch, deps, code: what would have to be made.
    missing: tuple[str, ...]


def plan_image(role: Role, accelerator: str = "cpu") -> ImagePlan:
    """Say what a role's image is called and what of it is missing; builds nothing."""
    made_of = recipe(role, accelerator)
    base = known_base(made_of.accelerator)
    torch = known_torch(made_of.torch_requirement)
    deps = name = None
    if base and torch:
        digest = made_of.deps_digest(base.image_id, torch.identity)
        deps = f"rdagent-{role}-deps:{digest}"
        name = f"rdagent-{role}:{made_of.code_digest(deps)}"
    missing = _missing(base, torch, deps, name)
    return ImagePlan(role, made_of.accelerator, base, torch, deps, name, missing)


def _missing(
    base: Base | None, torch: TorchWheel | None, deps: str | None, name: str | None
) -> tuple[str, ...]:
    if name and engine.image_id(name):
        return ()
    if deps and engine.image_id(deps):
        return ("code",)
    there = {
        "base": base is not None and engine.image_id(base.name) is not None,
        "torch": torch is not None,
    }
    return (*(part for part, found in there.items() if not found), "deps", "code")


def image_name(role: Role, accelerator: str = "cpu") -> str:
    """Return the name of the role's image as the recipes and the code are now."""
    name = plan_image(role, accelerator).name
    if name is None:
        raise ImageUnavailable(
            f"the image of {role} was never built here", hint="Build it with 'rdagent build'."
        )
    return name
