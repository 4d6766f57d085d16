"""What a role runs in without a container engine: a virtual environment, made by content.

``plan`` says of what an environment is made and how it is called, ``install`` makes it
from the wheels that the images are made of, ``code`` copies our own part beside it,
``ensure`` puts them in order.
"""

from __future__ import annotations

from rdagent.jobs.environments.ensure import (
    Environments,
    RoleEnvironments,
    ensure_environment,
)
from rdagent.jobs.environments.plan import EnvironmentPlan, RoleEnvironment, plan_environment

__all__ = [
    "EnvironmentPlan",
    "Environments",
    "RoleEnvironment",
    "RoleEnvironments",
    "ensure_environment",
    "plan_environment",
]
