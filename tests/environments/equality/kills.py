"""Kills the program at random moments, lets it go on, and compares what it writes in the end.

``python -m tests.environments.equality.kills FOLDER ENGINE KILLS SEED`` writes kills.json.
Each attempt is a child that is forked off with everything imported: a start costs
milliseconds, so that a kill lands in the work and not in the imports.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rdagent.inside.evaluate import engine, output, planning, replaying, selection  # noqa: F401
from rdagent.inside.evaluate.hf_engine import HFEngine
from rdagent.inside.evaluate.renderer import Renderer
from rdagent.records.answered import ANSWERED_FILE
from rdagent.records.ledger import LEDGER_FILE
from rdagent.records.requests import EvaluateRequest, Variant
from tests.environments.equality import adapters, sides
from tests.environments.equality.sides import Asked

assert HFEngine
TASKS = ("eq_generate", "eq_choice", "eq_votes", "eq_sampled", "eq_random_text")
CHUNK = 4
#: Long enough for a kill to find the work of a script going on.
SECONDS_PER_REQUEST = 0.001
#: So many bytes at most are cut off what a killed run wrote last: a disk may lose them.
LOST = 400


@dataclass
class Told:
    """What became of it."""

    kills: int = 0
    completions: int = 0
    #: Answers that were there when a killed run went on, at most.
    resumed: int = 0
    #: What was not as in the run that nothing disturbed.
    differences: list[str] = field(default_factory=list)


def request_of(folder: Path, engine_name: Any, adapter: Path) -> EvaluateRequest:
    """Return what is evaluated: two variants on one engine."""
    model = str(sides.MODEL)
    script = folder / "script.json"
    said = {"default": "A: 7", "seconds_per_request": SECONDS_PER_REQUEST}
    script.write_text(json.dumps(said), "utf-8")
    variants = [Variant("base", model), Variant("first", model, str(adapter))]
    request = sides.request_of(Asked(TASKS, False, {"limit": 6}), folder / "whole", variants)
    return replace(request, engine=engine_name, script=str(script))


def in_child(work: Callable[[], object]) -> int:
    """Do something in a child of its own; returns its number."""
    number = os.fork()
    if number:
        return number
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(70)


def start(request: EvaluateRequest) -> int:
    """Start the program; returns its number."""

    def work() -> None:
        log = os.open(Path(request.output).with_suffix(".log"), os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        engine.chunk_size = lambda request: CHUNK
        status = sides.evaluated(request)
        assert status.reason == "ok", status

    return in_child(work)


def wait(number: int, seconds: float | None) -> int | None:
    """Wait for a child, at most so long; returns how it ended, None when it was killed."""
    end = time.monotonic() + (seconds if seconds is not None else 600)
    while time.monotonic() < end:
        ended, status = os.waitpid(number, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    return None


def keep(out: Path, kept: Path, rnd: random.Random) -> None:
    """Keep what a killed run had answered, as the host does before it starts another one."""
    for folder in (out / "variants").glob("*"):
        if not (folder / LEDGER_FILE).exists():
            continue
        (kept / folder.name).mkdir(parents=True, exist_ok=True)
        for name in (LEDGER_FILE, ANSWERED_FILE):
            if (folder / name).exists():
                shutil.copyfile(folder / name, kept / folder.name / name)
        size = (kept / folder.name / LEDGER_FILE).stat().st_size
        os.truncate(kept / folder.name / LEDGER_FILE, max(size - rnd.randint(0, LOST), 0))


def until_done(request: EvaluateRequest, usual: float, rnd: random.Random, told: Told) -> None:
    """Kill and go on until a run comes to its end."""
    out = Path(request.output)
    while True:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        ended = wait(start(request), rnd.uniform(0, usual))
        if ended is not None:
            break
        told.kills += 1
        keep(out, Path(str(request.kept)), rnd)
    if ended != 0:
        log = out.with_suffix(".log").read_text("utf-8", "replace")
        told.differences.append(f"ended with {ended}: {log[-2000:]}")
    told.completions += 1


def compare(one: Path, other: Path, told: Told) -> None:
    """Note what of two runs' files is not the same, times aside."""
    for variant in ("base", "first"):
        folders = [out / "variants" / variant for out in (one, other)]
        names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
        if names[0] != names[1]:
            told.differences.append(f"{variant}: {names}")
        for name in names[0]:
            first, second = (content(folder / name) for folder in folders)
            if first != second:
                told.differences.append(f"{variant}/{name}: {first[:500]!r} / {second[:500]!r}")
        said = json.loads((folders[1] / output.VARIANT_FILE).read_text("utf-8"))
        told.resumed = max(told.resumed, said["answers"]["resumed"])


def content(path: Path) -> Any:
    """Return what must be the same of a file."""
    text = path.read_text("utf-8")
    if path.name == output.RESULTS_FILE:
        left_out = {*sides.OF_THE_RUN, *sides.OF_THE_PLACE}
        return json.dumps({k: v for k, v in json.loads(text).items() if k not in left_out})
    if path.name == output.VARIANT_FILE:
        return json.dumps({**json.loads(text), "seconds": {}, "answers": {}})
    if path.name == LEDGER_FILE:
        lines = [json.loads(line) for line in text.splitlines()]
        return sorted(json.dumps({**line, "seconds": 0, "sum": ""}) for line in lines)
    return text


def main() -> None:
    """Run it undisturbed, then with so many kills."""
    folder, engine_name, kills, seed = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:5])
    Renderer.load(sides.MODEL, "hf", sides.LENGTH, None)
    # In a child: nothing is computed here before others are forked off.
    assert wait(in_child(lambda: adapters.make(folder / "made")), None) == 0
    request = request_of(folder, engine_name, folder / "made" / "first")
    (folder / "whole").mkdir()
    began = time.monotonic()
    told = Told()
    if wait(start(request), None) != 0:
        told.differences.append((folder / "whole.log").read_text("utf-8", "replace")[-2000:])
    usual = time.monotonic() - began
    rnd = random.Random(seed)
    while told.kills < kills and not told.differences:
        place = folder / f"series{told.completions}"
        again = replace(request, output=str(place / "out"), kept=str(place / "kept"))
        until_done(again, usual, rnd, told)
        if not told.differences:
            compare(folder / "whole", place / "out", told)
    document = {**vars(told), "usual": usual}
    (folder / f"kills_{engine_name}.json").write_text(json.dumps(document), "utf-8")


if __name__ == "__main__":
    main()
