"""``rdagent build``: make the images, or find that nothing changed."""

from __future__ import annotations

import argparse

from rdagent.cli.terminal import Terminal
from rdagent.jobs.images import ensure_image
from rdagent.jobs.spec import ROLES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "roles", nargs="*", metavar="ROLE", help=f"{' or '.join(ROLES)}; default: all"
    )
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Build what is missing."""
    rows = []
    for role in arguments.roles or ROLES:
        with terminal.progress(f"image {role}") as progress:
            image = ensure_image(role, accelerator=arguments.accelerator, progress=progress.update)
        rows.append({"role": role, "name": image.name, "id": image.image_id, "built": image.built})
        if not terminal.json_only:
            what = f"built in {image.seconds:.0f} s" if image.built else "nothing changed"
            terminal.say(f"{image.name}  {what}")
    if terminal.json_only:
        terminal.json({"schema": "rdagent.images/1", "images": rows})
    return 0
