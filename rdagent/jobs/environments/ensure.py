"""Make a role's environment, or find that it is there: libraries first, then our code.

Two makers of one environment do not both make it: the second waits, says for whom, and
finds it made.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from itertools import product
from typing import Protocol

from rdagent.core.settings import cache_root
from rdagent.errors import ImageUnavailable, InfrastructureError, InternalError
from rdagent.files.locks import file_lock
from rdagent.jobs.environments.code import APP_FOLDER, copy_code
from rdagent.jobs.environments.install import install
from rdagent.jobs.environments.plan import (
    EnvironmentPlan,
    RoleEnvironment,
    is_complete,
    plan_environment,
)
from rdagent.jobs.images.torch_wheel import ensure_torch
from rdagent.jobs.ready import Progress, Ready
from rdagent.jobs.spec import ACCELERATORS, ROLES, Accelerator, Role


class Environments(Protocol):
    """Where the local backend finds what jobs run in; a test has a small one of its own."""

    def name(self, role: Role, accelerator: Accelerator) -> str:
        """Name a role's environment; raises ImageUnavailable if it was never made."""

    def ensure(self, role: Role, accelerator: Accelerator, *, progress: Progress) -> Ready:
        """Make it if it is not there."""

    def find(self, name: str) -> RoleEnvironment:
        """Return an environment that is there; raises ImageUnavailable if it is not."""


class RoleEnvironments:
    """The environments of the roles, in the cache."""

    def name(self, role: Role, accelerator: Accelerator) -> str:
        """Name the environment of the locks and the code as they are now."""
        name = plan_environment(role, accelerator).name
        if name is None:
            raise ImageUnavailable(
                f"the environment of {role} was never made here", hint=BUILD_HINT
            )
        return name

    def ensure(self, role: Role, accelerator: Accelerator, *, progress: Progress) -> Ready:
        """Return the environment of the locks and the code as they are now."""
        return ensure_environment(role, accelerator, progress=progress)

    def find(self, name: str) -> RoleEnvironment:
        """Return the environment of this name."""
        for role, accelerator in product(ROLES, ACCELERATORS):
            plan = plan_environment(role, accelerator)
            if plan.name == name and not plan.missing:
                return _environment(plan)
        raise ImageUnavailable(
            f"there is no environment {name}",
            hint=f"{BUILD_HINT} An image named in BENCHMARK_DOCKER_IMAGE or FT_DOCKER_IMAGE is "
            "for containers: unset it, or set FT_ENV=docker.",
        )


BUILD_HINT = "Make it with 'rdagent build --env local'."


def ensure_environment(
    role: Role, accelerator: Accelerator = "cpu", *, progress: Progress
) -> Ready:
    """Return a role's environment, making what is missing.

    When nothing changed this reads files.  Raises BuildFailed or another InfrastructureError.
    """
    started = time.monotonic()
    plan = plan_environment(role, accelerator)
    built = bool(plan.missing)
    if built:
        plan = _make(plan, progress)
    if plan.name is None or plan.missing:
        raise InfrastructureError(
            f"files changed while the environment of {role} was being made",
            hint="Run it again.",
            retryable=True,
        )
    return Ready(plan.name, built, time.monotonic() - started)


def _make(plan: EnvironmentPlan, progress: Progress) -> EnvironmentPlan:
    made_of = plan.made_of
    _, torch = ensure_torch(made_of.torch_requirement, progress=progress)
    plan = plan_environment(made_of.role, made_of.accelerator)
    if plan.libraries is None or plan.code is None:
        raise InternalError(f"the environment of {made_of.role} has no name though torch is here")
    with _only_maker(plan.libraries.name, progress):
        if not is_complete(plan.libraries):
            install(made_of, torch, plan.libraries, progress=progress)
    if not plan.code.is_dir():
        copy_code(made_of, plan.code)
    return plan_environment(made_of.role, made_of.accelerator)


def _only_maker(name: str, progress: Progress) -> AbstractContextManager[None]:
    return file_lock(
        cache_root() / "locks" / f"venv-{name}.lock",
        lambda holder: progress(f"waiting for {holder}, which makes {name}"),
    )


def _environment(plan: EnvironmentPlan) -> RoleEnvironment:
    if plan.name is None or plan.libraries is None or plan.code is None:
        raise InternalError(f"the environment of {plan.made_of.role} is there and has no name")
    return RoleEnvironment(
        name=plan.name,
        programs=(str(plan.libraries / "bin"),),
        app=plan.code / APP_FOLDER,
        variables={
            "PYTHONPATH": str(plan.code),
            "PYTHONNOUSERSITE": "1",
            "LANG": "C.UTF-8",
            "VIRTUAL_ENV": str(plan.libraries),
        },
    )
