"""``rdagent build``: make the images or the environments, or find that nothing changed."""

from __future__ import annotations

import argparse

from rdagent.cli.terminal import Terminal
from rdagent.errors import UsageError
from rdagent.jobs.backends.choose import chosen
from rdagent.jobs.environments import ensure_environment
from rdagent.jobs.gpus import visible_gpus
from rdagent.jobs.images import ensure_base, ensure_image, ensure_wheelhouse
from rdagent.jobs.images.recipes import recipe
from rdagent.jobs.images.torch_wheel import ensure_torch
from rdagent.jobs.spec import ACCELERATORS, ROLES, Accelerator, Role, accelerator_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "roles", nargs="*", metavar="ROLE", help=f"{', '.join(ROLES)}; default: all"
    )
    parser.add_argument(
        "--accelerator", choices=ACCELERATORS, help="default: cuda where there is a GPU, else cpu"
    )
    parser.add_argument(
        "--env",
        choices=["docker", "local"],
        help="images, or virtual environments of the same wheels; default: as FT_ENV says",
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--base-only", action="store_true", help="only the base image")
    part.add_argument("--wheels-only", action="store_true", help="only fetch the wheels")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Build what is missing."""
    roles = [_role(name) for name in arguments.roles or ROLES]
    accelerator: Accelerator = arguments.accelerator or accelerator_of(visible_gpus())
    if arguments.base_only:
        with terminal.progress("base image") as progress:
            base = ensure_base(progress=progress.update, accelerator=accelerator)
        terminal.say(f"{base.name}  {base.image_id}")
        return 0
    if arguments.wheels_only:
        for role in roles:
            _fetch_wheels(role, accelerator, terminal)
        return 0
    if (arguments.env or chosen()) == "local":
        rows = [_make_environment(role, accelerator, terminal) for role in roles]
    else:
        rows = [_build(role, accelerator, terminal) for role in roles]
    if terminal.json_only:
        terminal.json({"schema": "rdagent.images/1", "images": rows})
    return 0


def _role(name: str) -> Role:
    for role in ROLES:
        if name == role:
            return role
    raise UsageError(f"no image is called {name!r}", hint=f"There are {', '.join(ROLES)}.")


def _fetch_wheels(role: Role, accelerator: Accelerator, terminal: Terminal) -> None:
    with terminal.progress(f"wheels of {role}") as progress:
        ensure_torch(recipe(role, accelerator).torch_requirement, progress=progress.update)
        wheelhouse = ensure_wheelhouse(role, accelerator=accelerator, progress=progress.update)
    terminal.say(f"{wheelhouse.path}  {len(wheelhouse.wheels)} wheels")


def _build(role: Role, accelerator: Accelerator, terminal: Terminal) -> dict[str, object]:
    with terminal.progress(f"image {role}") as progress:
        image = ensure_image(role, accelerator=accelerator, progress=progress.update)
    if not terminal.json_only:
        what = f"built in {image.seconds:.0f} s" if image.built else "nothing changed"
        terminal.say(f"{image.name}  {what}")
    return {"role": role, "name": image.name, "id": image.image_id, "built": image.built}


def _make_environment(
    role: Role, accelerator: Accelerator, terminal: Terminal
) -> dict[str, object]:
    with terminal.progress(f"environment {role}") as progress:
        ready = ensure_environment(role, accelerator, progress=progress.update)
    if not terminal.json_only:
        what = f"made in {ready.seconds:.0f} s" if ready.built else "nothing changed"
        terminal.say(f"{ready.name}  {what}")
    return {"role": role, "name": ready.name, "id": None, "built": ready.built}
