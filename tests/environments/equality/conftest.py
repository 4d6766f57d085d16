"""Runs the programs of this folder in the evaluation role's environment, once for all tests."""

import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rdagent.jobs.environments import ensure_environment, plan_environment

ROOT = Path(__file__).parents[3]
SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
    "OMP_NUM_THREADS": "1",
    # As the program for one group sets them before it imports anything.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "TORCHDYNAMO_DISABLE": "1",
}
#: Each program with its arguments, and the file that it writes; the longest first.
PROGRAMS = {
    "vllm": (("on_vllm",), "vllm.json"),
    "inside": (("inside",), "facts.json"),
    "scripted": (("kills", "scripted", "30", "1"), "kills_scripted.json"),
    "hf": (("kills", "hf", "5", "2"), "kills_hf.json"),
    "stopping": (("stops_killed", "15", "4"), "kills_stopping.json"),
}


def _run(python: Path, folder: Path, name: str) -> Any:
    (program, *arguments), file = PROGRAMS[name]
    folder.mkdir()
    command = [python, "-m", f"tests.environments.equality.{program}", folder, *arguments]
    told = {"PYTHONPATH": str(ROOT), "HF_HOME": str(folder / "huggingface")}
    with (folder / "log").open("wb") as log:
        subprocess.run(
            list(map(str, command)),
            check=False,
            cwd=ROOT,
            env={**os.environ, **SETTINGS, **told},
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=1200,
        )
    if not (folder / file).exists():
        pytest.fail((folder / "log").read_text("utf-8", "replace")[-3000:])
    return json.loads((folder / file).read_text("utf-8"))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory):
    """All programs, two at a time; each has its facts by its name."""
    ensure_environment("lm-eval", progress=lambda line: None)
    libraries = plan_environment("lm-eval").libraries
    assert libraries is not None
    folder = tmp_path_factory.mktemp("equality")
    with ThreadPoolExecutor(2) as pool:
        python = libraries / "bin" / "python"
        yield {name: pool.submit(_run, python, folder / name, name) for name in PROGRAMS}


def _facts(name: str) -> Callable[[dict[str, Future[Any]]], Any]:
    @pytest.fixture(scope="session", name=name)
    def facts(programs: dict[str, Future[Any]]) -> Any:
        return programs[name].result()

    return facts


inside, vllm, scripted, hf, stopping = map(_facts, ("inside", "vllm", "scripted", "hf", "stopping"))
