"""Train what a request asks for: ``python -m rdagent.inside.train REQUEST``.

What the training image runs.  ``--from-environment`` takes the request from
variables instead, for a plain ``docker run`` without the host package.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rdagent.errors import RDAgentError, UsageError
from rdagent.inside.train import environment
from rdagent.inside.train.failures import Stopped
from rdagent.inside.train.run import commit, train
from rdagent.records.requests import TrainRequest

EXIT_CODES = {"ok": 0, "refused": 2, "cancelled": 130}
FAILED = 6


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and return 0 when an adapter was made."""
    parser = argparse.ArgumentParser(prog="python -m rdagent.inside.train")
    parser.add_argument("request", nargs="?", type=Path, help="request.json")
    parser.add_argument("--from-environment", action="store_true")
    options = parser.parse_args(arguments)
    if options.from_environment == (options.request is not None):
        parser.error("give a request file or --from-environment, one of the two")
    signal.signal(signal.SIGTERM, _stop)
    environment.settle(os.environ)
    try:
        request = _request(options.request)
    except RDAgentError as error:
        print(f"train: {error}", file=sys.stderr)
        return error.exit_code
    ended = train(request)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    status = commit(request, ended)
    print(f"train: {status.reason}: {status.message}", file=sys.stderr, flush=True)
    return EXIT_CODES.get(status.reason, FAILED)


def _request(path: Path | None) -> TrainRequest:
    if path is None:
        return environment.request_from_environment(os.environ)
    try:
        return TrainRequest.from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError(f"the request {path} cannot be read: {error}") from error


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(f"stopped by {signal.Signals(number).name}")


if __name__ == "__main__":
    sys.exit(main())
