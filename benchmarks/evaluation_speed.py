"""How fast an evaluation is beside bare ``lm_eval`` and beside a loop written by hand.

``python benchmarks/evaluation_speed.py [--rounds 3] [--only NAME ...] [--json FILE]``.
Every arm runs with the interpreter and the libraries of the evaluation's environment, on
the same tasks, seeds and threads; arms take turns within a round, and medians are
compared.  A number counts only when both sides scored the same.  Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation_speed_parts import ADAPTERS, LOOP, MAKE_ADAPTERS, MENDED, write_tasks

from rdagent.demo import paths
from rdagent.jobs.backends.choose import choose_backend
from rdagent.jobs.environments import plan_environment

TASKS = ("speed_generate", "speed_choice")
CONTEXT = 1024


@dataclass
class Place:
    """Where everything of one measurement lies."""

    folder: Path
    python: Path
    adapters: list[Path] = field(default_factory=list)

    @property
    def tasks(self) -> Path:
        return self.folder / "tasks"

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "FT_ENV": "local",
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
            "FT_FILE_PATH": str(self.folder / "ft"),
            "HF_HOME": str(self.folder / "hf"),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_NUM_THREADS": str(os.cpu_count()),
            "OMP_WAIT_POLICY": "PASSIVE",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
            "TORCHDYNAMO_DISABLE": "1",
            "VLLM_LOGGING_LEVEL": "WARNING",
        }
        return {**os.environ, **own}


@dataclass
class Arm:
    """Something that is timed: its scores, by model and task, must agree with the others'."""

    name: str
    run: Callable[[], dict[str, dict[str, float]]]
    seconds: list[float] = field(default_factory=list)
    scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def take_turn(self) -> None:
        started = time.perf_counter()
        self.scores = self.run()
        self.seconds.append(time.perf_counter() - started)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def scores_of(document: dict[str, Any]) -> dict[str, float]:
    """Return the two scores of a results document."""
    results = document["results"]
    return {
        "speed_generate": results["speed_generate"]["exact_match,braces"],
        "speed_choice": results["speed_choice"]["acc,none"],
    }


def bare(place: Place, engine: str, adapter: Path | None) -> dict[str, float]:
    """Run ``lm_eval`` as its own users do."""
    out = Path(tempfile.mkdtemp(dir=place.folder))
    told = {"pretrained": str(paths.MODEL), "dtype": "float32"}
    if engine == "vllm":
        told |= {
            "max_model_len": str(CONTEXT),
            "gpu_memory_utilization": "0.1",
            "enforce_eager": "True",
        }
        if adapter:
            told |= {"lora_local_path": str(adapter), "max_lora_rank": "8"}
    else:
        told["max_length"] = str(CONTEXT)
        if adapter:
            told["peft"] = str(adapter)
    # vLLM 0.32 on the CPU fails where an adapter meets log-probabilities of prompts: the bare
    # run gets the same mend as ours.
    start = ["-c", MENDED] if engine == "vllm" else ["-m", "lm_eval"]
    words = [str(place.python), *start, "run", "--model", engine]
    words += ["--model_args", ",".join(f"{name}={value}" for name, value in told.items())]
    words += ["--tasks", *TASKS, "--include_path", str(place.tasks), "--apply_chat_template"]
    words += ["--batch_size", "auto" if engine == "vllm" else "16", "--log_samples"]
    words += ["--output_path", str(out), *(("--device", "cpu") if engine == "hf" else ())]
    call(place, words, out / "log.txt")
    (results,) = out.rglob("results_*.json")
    return scores_of(json.loads(results.read_text()))


def ours(place: Place, engine: str, adapters: list[Path]) -> dict[str, dict[str, float]]:
    """Run ``rdagent eval``, from nothing: no answer of an earlier run is taken."""
    shutil.rmtree(place.folder / "ft", ignore_errors=True)
    words = [sys.executable, "-m", "rdagent.cli.main", "eval"]
    words += [f"{adapter.name}={adapter}" for adapter in adapters]
    words += ["--base", "--base-model", str(paths.MODEL), "--tasks", ",".join(TASKS)]
    words += ["--include", str(place.tasks), "--engine", engine, "--json"]
    words += ["--max-model-len", str(CONTEXT), "--batch-size", "auto" if engine == "vllm" else "16"]
    done = call(place, words, place.folder / "ours.txt")
    found = {}
    for variant in json.loads(done)["variants"]:
        found[variant["name"]] = {task: s["value"] for task, s in variant["scores"].items()}
    return found


def loop(place: Place, adapters: list[Path]) -> dict[str, dict[str, float]]:
    """Run a loop over ``simple_evaluate`` in one process, written by hand."""
    script = place.folder / "loop.py"
    script.write_text(LOOP)
    told = json.dumps([str(paths.MODEL), str(place.tasks), CONTEXT, [str(a) for a in adapters]])
    return json.loads(
        call(place, [str(place.python), str(script), told], place.folder / "loop.txt")
    )


def call(place: Place, words: list[str], log: Path) -> str:
    """Run a command to its end and return what it printed; its log stays when it fails."""
    with log.open("w") as errors:
        done = subprocess.run(
            words, env=place.environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    if done.returncode:
        sys.exit(f"{words[:6]} ended with {done.returncode}; its log: {log}\n{done.stdout[-2000:]}")
    return done.stdout


def one_adapter(place: Place, engine: str) -> list[Arm]:
    """One adapter: a bare run of it, and ours without its base."""
    adapter = place.adapters[0]

    def mine() -> dict[str, dict[str, float]]:
        return {adapter.name: ours_alone(place, engine, adapter)}

    return [
        Arm("bare lm_eval", lambda: {adapter.name: bare(place, engine, adapter)}),
        Arm("rdagent eval", mine),
    ]


def ours_alone(place: Place, engine: str, adapter: Path) -> dict[str, float]:
    """Run ``rdagent eval`` for one adapter and nothing else."""
    shutil.rmtree(place.folder / "ft", ignore_errors=True)
    words = [sys.executable, "-m", "rdagent.cli.main", "eval", f"{adapter.name}={adapter}"]
    words += ["--no-base", "--base-model", str(paths.MODEL), "--tasks", ",".join(TASKS)]
    words += ["--include", str(place.tasks), "--engine", engine, "--json"]
    words += ["--max-model-len", str(CONTEXT), "--batch-size", "auto" if engine == "vllm" else "16"]
    (variant,) = json.loads(call(place, words, place.folder / "ours.txt"))["variants"]
    return {task: score["value"] for task, score in variant["scores"].items()}


def nine_models(place: Place, engine: str) -> list[Arm]:
    """A base and eight adapters: nine bare runs, and one of ours."""

    def nine() -> dict[str, dict[str, float]]:
        found = {"base": bare(place, engine, None)}
        return found | {a.name: bare(place, engine, a) for a in place.adapters}

    arms = [
        Arm("nine runs of bare lm_eval", nine),
        Arm("rdagent eval, base and 8 adapters", lambda: ours(place, engine, place.adapters)),
    ]
    if engine == "hf":
        arms.append(Arm("a loop by hand in one process", lambda: loop(place, place.adapters)))
    return arms


EXPERIMENTS: dict[str, Callable[[Place], list[Arm]]] = {
    "one-hf": lambda place: one_adapter(place, "hf"),
    "one-vllm": lambda place: one_adapter(place, "vllm"),
    "nine-hf": lambda place: nine_models(place, "hf"),
    "nine-vllm": lambda place: nine_models(place, "vllm"),
}


def measure(name: str, place: Place, rounds: int) -> dict[str, Any]:
    """Let the arms of one experiment take turns, and say what came of it."""
    arms = EXPERIMENTS[name](place)
    for number in range(rounds):
        for arm in arms if number % 2 == 0 else reversed(arms):
            arm.take_turn()
            print(f"{name}, round {number + 1}: {arm.name} {arm.seconds[-1]:.1f} s", flush=True)
    first = arms[0]
    agree = all(arm.scores == first.scores for arm in arms)
    print(f"\n| {name} | median | of the first | scores agree |\n| --- | --- | --- | --- |")
    for arm in arms:
        same = "yes" if arm.scores == first.scores else "NO: this number does not count"
        print(f"| {arm.name} | {arm.median:.1f} s | {arm.median / first.median:.2f} | {same} |")
    print(flush=True)
    return {
        "experiment": name,
        "agree": agree,
        "arms": [{"name": arm.name, "seconds": arm.seconds, "scores": arm.scores} for arm in arms],
    }


def prepare(folder: Path) -> Place:
    """Make the environment, the tasks and eight adapters that each change something."""
    os.environ["FT_ENV"] = "local"
    choose_backend().ensure("lm-eval", "cpu", progress=print)
    python = plan_environment("lm-eval").libraries / "bin" / "python"
    place = Place(folder, python)
    write_tasks(place.tasks)
    script = folder / "make.py"
    script.write_text(MAKE_ADAPTERS)
    call(place, [str(python), str(script), str(paths.MODEL), str(folder)], folder / "make.txt")
    place.adapters = [folder / f"a{number}" for number in range(ADAPTERS)]
    return place


def main() -> None:
    """Measure what was asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=sorted(EXPERIMENTS), default=None)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = prepare(Path(folder))
        found = [measure(name, place, options.rounds) for name in options.only or EXPERIMENTS]
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
