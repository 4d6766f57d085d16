"""One of several processes that train: ``python -m rdagent.inside.train.worker FOLDER``.

Started by torchrun only.  The folder holds the settled values; what this process saw goes
there as well, for ``workers``, which started it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdagent.inside.train import failures
from rdagent.inside.train.callback import make_callback
from rdagent.inside.train.device import probe
from rdagent.inside.train.watch import Watch
from rdagent.inside.train.workers import ORDERS, Report
from rdagent.records.status import InsideStatus


def main(arguments: list[str]) -> int:
    """Train this process's share; returns 0 when all went well."""
    folder = Path(arguments[0])
    orders = json.loads((folder / ORDERS).read_text("utf-8"))
    watch = Watch(trusts_gradients=bool(orders["trusts_gradients"]))
    status = _train(orders["values"], watch)
    Report(
        rank=int(os.environ["RANK"]),
        status=status,
        points=tuple(watch.points),
        steps=watch.steps,
        supervised_share=watch.supervised_share,
        peak_memory_bytes=probe().peak_memory(),
    ).write(folder)
    return 0 if status.reason == "ok" else 6


def _train(values: Mapping[str, Any], watch: Watch) -> InsideStatus:
    try:
        from llamafactory.train.tuner import run_exp

        run_exp(dict(values), [make_callback(watch)])
    except BaseException as error:
        # The outermost place of this process: everything that ends it becomes a report.
        if not failures.is_expected(error):
            traceback.print_exc()
        return failures.describe(error)
    return InsideStatus("ok")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
