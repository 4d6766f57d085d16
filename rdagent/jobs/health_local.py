"""What ``rdagent doctor`` looks at where jobs run without a container engine."""

from __future__ import annotations

import ctypes.util
import platform
import shutil
import sys

from rdagent.jobs.environments import plan_environment
from rdagent.jobs.health_check import Check, role_check
from rdagent.jobs.images.pip import PYTHON
from rdagent.jobs.spec import ROLES

_PROGRAMS = ("bash", "timeout")


def local_checks() -> list[Check]:
    """Look at what jobs in virtual environments need; makes nothing."""
    return [_isolation(), _python(), _programs(), *_environments(), _numa()]


def _isolation() -> Check:
    saw = "jobs run as this user, with its files and its network: nothing is isolated"
    return Check("local jobs", "note", saw, "SECURITY.md says what that means.")


def _python() -> Check:
    wanted = ".".join(map(str, PYTHON))
    if sys.version_info[:2] != PYTHON:
        saw = f"Python {platform.python_version()}; environments need {wanted}"
        return Check("local python", "problem", saw, f"Set up with PYTHON=python{wanted}.")
    return Check("local python", "ok", f"Python {platform.python_version()}")


def _programs() -> Check:
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        saw = f"{', '.join(missing)} not found"
        return Check("local programs", "problem", saw, "Install bash and coreutils.")
    return Check("local programs", "ok", ", ".join(_PROGRAMS))


def _environments() -> list[Check]:
    hint = "'rdagent build --env local' makes it; commands that need it do so as well."
    plans = [(role, plan_environment(role)) for role in ROLES]
    return [role_check(f"environment {r}", plan.name, plan.missing, hint) for r, plan in plans]


def _numa() -> Check:
    if ctypes.util.find_library("numa"):
        return Check("libnuma", "ok", "found; vLLM can run without a container")
    hint = "Install it (Debian: libnuma1) to use the engine vllm; the engine hf needs it not."
    return Check("libnuma", "warning", "not found: vLLM cannot run without a container", hint)
