"""Kills runs that stop when decided at random moments: what they decide and write stays the same.

``python -m tests.environments.equality.stops_killed FOLDER KILLS SEED`` writes
kills_stopping.json.  See ``kills``, which this is a variation of.
"""

from __future__ import annotations

import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

from rdagent.inside.evaluate.renderer import Renderer
from rdagent.records.requests import EvaluateRequest
from rdagent.records.stopping import STOPPING_KEY
from tests.environments.equality import adapters, kills, sides, stops

TASKS = ("eq_many", "eq_many_group", "eq_many_graded")
SECONDS_PER_REQUEST = 0.0015


def request_of(folder: Path, adapter: Path) -> EvaluateRequest:
    """Return a request of two models, one of which is somewhat better, answered slowly."""
    request = stops.request_of(folder / "whole", adapter, ("base", "first"), TASKS)
    path = Path(str(request.script))
    said = {**json.loads(path.read_text("utf-8")), "seconds_per_request": SECONDS_PER_REQUEST}
    path.write_text(json.dumps(said), "utf-8")
    return request


def main() -> None:
    """Run it undisturbed, then with so many kills."""
    folder, least, seed = Path(sys.argv[1]), *map(int, sys.argv[2:4])
    Renderer.load(sides.MODEL, "hf", sides.LENGTH, None)
    # In a child: nothing is computed here before others are forked off.
    assert kills.wait(kills.in_child(lambda: adapters.make(folder / "made")), None) == 0
    request = request_of(folder, folder / "made" / "first")
    (folder / "whole").mkdir()
    told = kills.Told()
    began = time.monotonic()
    if kills.wait(kills.start(request), None) != 0:
        told.differences.append((folder / "whole.log").read_text("utf-8", "replace")[-2000:])
    usual = time.monotonic() - began
    rnd = random.Random(seed)
    while told.kills < least and not told.differences:
        place = folder / f"series{told.completions}"
        again = replace(request, output=str(place / "out"), kept=str(place / "kept"))
        kills.until_done(again, usual, rnd, told)
        if not told.differences:
            kills.compare(folder / "whole", place / "out", told)
    said = {} if told.differences else stops.said(folder / "whole", "first")[STOPPING_KEY]
    document = {**vars(told), "usual": usual, "said": said}
    (folder / "kills_stopping.json").write_text(json.dumps(document), "utf-8")


if __name__ == "__main__":
    main()
