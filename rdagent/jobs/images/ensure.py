"""Make a role's image, or find that it is there: libraries first, then our code on top.

Two builders of one image do not both build: the second waits, says for whom, and finds
it made.  Nothing is pulled; what is missing is made here or refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rdagent.core.settings import cache_root
from rdagent.errors import InfrastructureError, InternalError
from rdagent.files.locks import file_lock
from rdagent.jobs.images import context, engine
from rdagent.jobs.images.base import ensure_base
from rdagent.jobs.images.build import run_build
from rdagent.jobs.images.engine import LABEL, BuildRequest
from rdagent.jobs.images.plan import ImagePlan, plan_image
from rdagent.jobs.images.recipes import recipe
from rdagent.jobs.images.space import GIBIBYTE, require_space
from rdagent.jobs.images.torch_wheel import TORCH_LABEL, ensure_torch
from rdagent.jobs.images.wheelhouse import ensure_wheelhouse
from rdagent.jobs.spec import Accelerator, Role

Progress = Callable[[str], None]
#: The context, its layer, the installed libraries twice: what a build takes at its height.
_NEEDS = {"train": 6 * GIBIBYTE, "lm-eval": 12 * GIBIBYTE}
_CUDA_NEEDS = 30 * GIBIBYTE
_WHEELS = "wheels"


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """A role's image that is there; ``built`` says whether this call made anything."""

    name: str
    image_id: str
    deps: str
    built: bool
    seconds: float


def ensure_image(role: Role, *, progress: Progress, accelerator: str = "cpu") -> BuiltImage:
    """Return the image of the recipes and the code as they are now, building what is missing.

    When nothing changed this reads files and asks the engine once or twice.  Raises
    BuildFailed, EngineUnavailable or another InfrastructureError; never pulls.
    """
    started = time.monotonic()
    plan = plan_image(role, accelerator)
    built = bool(plan.missing)
    if "deps" in plan.missing:
        plan = _ensure_deps(plan, progress)
    if built:
        _ensure_code(plan, progress)
    name, deps = _names(plan)
    found = engine.image_id(name)
    if found is None:
        raise InternalError(f"{name} was built and is not there")
    _point_latest(name, found, plan.accelerator)
    return BuiltImage(name, found, deps, built, time.monotonic() - started)


def prepare_build(role: Role, *, progress: Progress, accelerator: str = "cpu") -> None:
    """Bring base, torch and wheels here and build nothing: for a ``docker build`` by hand."""
    made_of = recipe(role, accelerator)
    ensure_base(progress=progress, accelerator=made_of.accelerator)
    ensure_torch(made_of.torch_requirement, progress=progress)
    ensure_wheelhouse(role, progress=progress, accelerator=accelerator)


def _ensure_deps(plan: ImagePlan, progress: Progress) -> ImagePlan:
    """Make the libraries' image; names are settled only once base and torch are here."""
    ensure_base(progress=progress, accelerator=plan.accelerator)
    requirement = recipe(plan.role, plan.accelerator).torch_requirement
    _, torch = ensure_torch(requirement, progress=progress)
    plan = plan_image(plan.role, plan.accelerator)
    _, deps = _names(plan)
    with _only_builder(deps, progress):
        if engine.image_id(deps) is None:
            _build_deps(plan, torch, progress)
    return plan


def _build_deps(plan: ImagePlan, torch: Path, progress: Progress) -> None:
    if plan.base is None or plan.torch is None:
        raise InternalError("a build was planned without a base and torch")
    made_of = recipe(plan.role, plan.accelerator)
    wheelhouse = ensure_wheelhouse(plan.role, progress=progress, accelerator=plan.accelerator)
    if folder := engine.storage_folder():
        needs = _CUDA_NEEDS if plan.accelerator == "cuda" else _NEEDS[plan.role]
        require_space(folder, needs, f"build the image of {plan.role}")
    wheels = {f"{_WHEELS}/{name}": wheelhouse.path / name for name in wheelhouse.wheels}
    wheels[f"{_WHEELS}/{torch.name}"] = torch
    _, deps = _names(plan)
    progress(f"building {deps}")
    request = BuildRequest(
        name=deps,
        dockerfile=made_of.dockerfile,
        context=context.stream({**made_of.deps_files(), **wheels}),
        arguments={
            "BASE": plan.base.name,
            "WHEELS": _WHEELS,
            "STAGE": deps,
            "ACCELERATOR": plan.accelerator,
        },
        labels={
            **_labels(plan.role, deps),
            f"{LABEL}.base": plan.base.image_id,
            TORCH_LABEL: plan.torch.label,
            f"{TORCH_LABEL}.source": plan.torch.source,
        },
        network="default" if plan.base.given else "none",
    )
    try:
        made = run_build(request, progress=progress)
    finally:
        engine.remove_stage(deps)
    _check_unchanged(deps, plan_image(plan.role, plan.accelerator).deps)
    _point_latest(deps, made, plan.accelerator)


def _ensure_code(plan: ImagePlan, progress: Progress) -> None:
    name, deps = _names(plan)
    made_of = recipe(plan.role, plan.accelerator)
    with _only_builder(name, progress):
        if engine.image_id(name) is not None:
            return
        progress(f"building {name}")
        request = BuildRequest(
            name=name,
            dockerfile=made_of.code_dockerfile,
            context=context.stream(made_of.code_files()),
            arguments={"DEPS": deps},
            labels=_labels(plan.role, name),
        )
        run_build(request, progress=progress)
        _check_unchanged(name, f"rdagent-{plan.role}:{made_of.code_digest(deps)}")


def _check_unchanged(built: str, now: str | None) -> None:
    """Take the name from an image whose files were edited between hashing and sending them."""
    if built == now:
        return
    engine.remove_name(built)
    raise InfrastructureError(
        f"files changed while {built} was being built", hint="Run it again.", retryable=True
    )


def _only_builder(name: str, progress: Progress) -> AbstractContextManager[None]:
    return file_lock(
        cache_root() / "locks" / f"{name.replace(':', '-')}.lock",
        lambda holder: progress(f"waiting for {holder}, which builds {name}"),
    )


def _names(plan: ImagePlan) -> tuple[str, str]:
    if plan.name is None or plan.deps is None:
        raise InternalError(f"the image of {plan.role} has no name after its parts were made")
    return plan.name, plan.deps


def _labels(role: Role, name: str) -> dict[str, str]:
    return {f"{LABEL}.role": role, f"{LABEL}.inputs": name.split(":")[1]}


def _point_latest(name: str, found: str, accelerator: Accelerator) -> None:
    repository = name.split(":")[0]
    tag = "latest" if accelerator == "cpu" else f"latest-{accelerator}"
    if engine.image_id(f"{repository}:{tag}") != found:
        engine.point(name, repository, tag)
