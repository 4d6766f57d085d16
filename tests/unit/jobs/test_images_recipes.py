"""The recipes themselves: locks, entry points, stand-ins."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from rdagent.jobs.images.recipes import Recipe, recipe, recipe_root
from rdagent.jobs.images.wheelhouse import count_locked
from rdagent.jobs.spec import ACCELERATORS, ROLES

LOCKS = [lock for role in ROLES for name in ACCELERATORS for lock in recipe(role, name).locks]
SCRIPTS = sorted(recipe_root().rglob("*.sh"))
ENTRIES = {"train": "train_entrypoint.sh", "lm-eval": "eval_entrypoint.sh"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_locked_package_carries_a_hash(lock: Path) -> None:
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock.read_text("utf-8"))[1:]
    assert count_locked(lock.read_text("utf-8")) == len(entries) > 0
    assert not [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_no_lock_names_an_index_or_an_address(lock: Path) -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted", lock.read_text("utf-8"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_torch_stands_outside_the_locks(lock: Path) -> None:
    assert not re.search(r"(?m)^torch==", lock.read_text("utf-8"))


@pytest.mark.parametrize("role", ROLES)
def test_only_images_for_cuda_hold_its_libraries(role: str) -> None:
    for name in ACCELERATORS:
        lock = recipe(role, name).locks[0].read_text("utf-8")
        assert bool(re.search(r"(?m)^nvidia-[a-z0-9-]*==", lock)) is (name == "cuda")


@pytest.mark.parametrize("role", ROLES)
def test_what_decides_a_score_has_one_version_on_both_accelerators(role: str) -> None:
    versions = []
    for name in ACCELERATORS:
        lock = recipe(role, name).locks[0].read_text("utf-8")
        found = re.findall(r"(?m)^(transformers|peft|trl|lm-eval|math-verify)==(\S+)", lock)
        versions.append(sorted(found))
    assert versions[0] == versions[1] != []


@pytest.mark.parametrize("role", ROLES)
def test_torch_is_asked_for_in_its_build_for_the_processor(role: str) -> None:
    assert re.fullmatch(r"torch==[0-9.]+\+cpu", recipe(role).torch_requirement)
    assert re.fullmatch(r"torch==[0-9.]+", recipe(role, "cuda").torch_requirement)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_parses(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_evaluates_text(script: Path) -> None:
    assert not re.search(r"(?m)\beval\s+[\"'$]", script.read_text("utf-8"))


def entered(made_of: Recipe, tmp_path: Path, **variables: str) -> list[str]:
    """What an entry point hands to Python, or to what it runs instead."""
    for name in ("python", "timeout"):
        stub = tmp_path / name
        stub.write_text(f'#!/bin/sh\necho {name} "$@"\necho "tasks=$BENCHMARK_TASKS"\n')
        stub.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    script = made_of.folder / ENTRIES[made_of.role]
    ended = subprocess.run(
        ["bash", str(script)], env={"PATH": path, **variables}, check=True, capture_output=True
    )
    return ended.stdout.decode().splitlines()


@pytest.mark.parametrize(("role", "room"), [("train", "train"), ("lm-eval", "evaluate")])
def test_an_entry_point_hands_over_the_request(role: str, room: str, tmp_path: Path) -> None:
    said = entered(recipe(role), tmp_path, RDAGENT_REQUEST="/job/in/the request.json")
    assert said[0] == f"python -m rdagent.inside.{room} /job/in/the request.json"


@pytest.mark.parametrize(("role", "room"), [("train", "train"), ("lm-eval", "evaluate")])
def test_without_a_request_the_variables_are_the_request(
    role: str, room: str, tmp_path: Path
) -> None:
    assert entered(recipe(role), tmp_path)[0] == (
        f"python -m rdagent.inside.{room} --from-environment"
    )


def test_the_tasks_default_to_gsm8k(tmp_path: Path) -> None:
    assert entered(recipe("lm-eval"), tmp_path)[1] == "tasks=gsm8k"


def test_an_entry_point_keeps_its_own_deadline(tmp_path: Path) -> None:
    said = entered(recipe("lm-eval"), tmp_path, RDAGENT_DEADLINE_SECONDS="90")
    assert said[0].startswith("timeout --kill-after=20 90 python -m rdagent.inside.evaluate")
