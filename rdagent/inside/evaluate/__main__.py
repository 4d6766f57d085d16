"""Evaluate every variant of a request: ``python -m rdagent.inside.evaluate REQUEST``.

What the evaluation image runs.  ``--from-environment`` takes the request from
variables instead, for a plain ``docker run`` without the host package.  This
process imports nothing heavy: each variant is evaluated in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rdagent.errors import RDAgentError
from rdagent.inside.evaluate import environment, run
from rdagent.inside.evaluate.processes import Stopper
from rdagent.records.requests import EvaluateRequest
from rdagent.records.status import InsideStatus


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate and return 0 when every variant was scored on every task."""
    parser = argparse.ArgumentParser(prog="python -m rdagent.inside.evaluate")
    parser.add_argument("request", nargs="?", type=Path, help="request.json")
    parser.add_argument("--from-environment", action="store_true")
    options = parser.parse_args(arguments)
    if options.from_environment == (options.request is not None):
        parser.error("give a request file or --from-environment, one of the two")
    stopper = Stopper()
    stopper.install()
    try:
        status = _evaluate(options.request, stopper)
    except RDAgentError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return error.exit_code
    print(f"evaluate: {status.reason}: {status.message}", file=sys.stderr)
    return 0 if status.reason == "ok" else 1


def _evaluate(path: Path | None, stopper: Stopper) -> InsideStatus:
    return _from_environment(stopper) if path is None else _from_file(path, stopper)


def _from_file(path: Path, stopper: Stopper) -> InsideStatus:
    request = EvaluateRequest.from_json(json.loads(path.read_text("utf-8")))
    output = Path(request.output)
    folders = {variant.name: run.variant_folder(output, variant) for variant in request.variants}
    return run.evaluate(request, folders, stopper)


def _from_environment(stopper: Stopper) -> InsideStatus:
    plan = environment.read(os.environ)
    for note in plan.notes:
        print(f"evaluate: {note}", file=sys.stderr)
    variant = plan.request.variants[0]
    return run.evaluate(plan.request, {variant.name: Path(plan.request.output)}, stopper)


if __name__ == "__main__":
    sys.exit(main())
