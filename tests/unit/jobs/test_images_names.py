"""What changes the name of an image, and what does not."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from rdagent.errors import RefusedError
from rdagent.jobs.images.recipes import Recipe, base_files, recipe, recipe_root
from rdagent.jobs.spec import ACCELERATORS, ROLES

BASE, TORCH = "sha256:base", "torch-2.13.0+cpu.whl:abc"


@pytest.fixture
def copied(tmp_path: Path) -> Recipe:
    """The evaluation image's recipe and code, in a place where they may be changed."""
    real = recipe("lm-eval")
    shutil.copytree(real.root, tmp_path / "docker")
    rooms = ("errors.py", "__init__.py", "files", "records")
    for room in rooms:
        source = real.package / room
        copy = shutil.copytree if source.is_dir() else shutil.copy
        (tmp_path / "rdagent").mkdir(exist_ok=True)
        copy(source, tmp_path / "rdagent" / room)
    return replace(real, root=tmp_path / "docker", package=tmp_path / "rdagent")


def deps(made_of: Recipe) -> str:
    return made_of.deps_digest(BASE, TORCH)


def test_a_code_change_changes_only_the_code_tag(copied: Recipe) -> None:
    before = deps(copied), copied.code_digest("deps:1")
    (copied.package / "errors.py").write_text("# changed\n")
    assert deps(copied) == before[0]
    assert copied.code_digest("deps:1") != before[1]


def test_a_lock_change_changes_the_libraries_tag(copied: Recipe) -> None:
    before = deps(copied), copied.code_digest("deps:1")
    with copied.locks[0].open("a") as lock:
        lock.write("added==1.0\n")
    assert deps(copied) != before[0]
    assert copied.code_digest("deps:1") == before[1]


def test_other_libraries_change_the_code_tag(copied: Recipe) -> None:
    assert copied.code_digest("deps:1") != copied.code_digest("deps:2")


def test_an_entry_point_change_changes_only_the_code_tag(copied: Recipe) -> None:
    before = deps(copied), copied.code_digest("deps:1")
    (copied.folder / "eval_entrypoint.sh").write_text("exec true\n")
    assert deps(copied) == before[0]
    assert copied.code_digest("deps:1") != before[1]


@pytest.mark.parametrize("change", [("other", TORCH), (BASE, "torch-2.13.0+cpu.whl:def")])
def test_another_base_or_torch_changes_the_libraries_tag(
    copied: Recipe, change: tuple[str, str]
) -> None:
    assert copied.deps_digest(*change) != deps(copied)


def test_touching_every_file_changes_nothing(copied: Recipe) -> None:
    before = deps(copied), copied.code_digest("deps:1")
    for path in (*copied.deps_files().values(), *copied.code_files().values()):
        os.utime(path, (1, 1))
    assert (deps(copied), copied.code_digest("deps:1")) == before


def test_a_file_outside_the_rooms_changes_nothing(copied: Recipe) -> None:
    before = deps(copied), copied.code_digest("deps:1")
    (copied.package / "cli").mkdir()
    (copied.package / "cli" / "main.py").write_text("")
    (copied.package / "files" / "__pycache__").mkdir(exist_ok=True)
    (copied.package / "files" / "__pycache__" / "paths.cpython-311.pyc").write_bytes(b"")
    (copied.folder / "notes.md").write_text("")
    assert (deps(copied), copied.code_digest("deps:1")) == before


def test_a_suite_brings_its_tasks_and_scoring_but_not_its_host_side(copied: Recipe) -> None:
    suite = copied.package / "suites" / "homes"
    for name in ("tasks/a.yaml", "scoring/score.py", "suite.py", "data/items.json"):
        (suite / name).parent.mkdir(parents=True, exist_ok=True)
        (suite / name).write_text("")
    inside = {name for name in copied.code_files() if "homes" in name}
    assert inside == {
        "rdagent/suites/homes/tasks/a.yaml",
        "rdagent/suites/homes/scoring/score.py",
    }


def test_the_code_layer_leaves_the_host_side_out() -> None:
    names = recipe("train").code_files()
    assert "rdagent/inside/__init__.py" in names
    assert not [name for name in names if name.startswith(("rdagent/cli/", "rdagent/jobs/"))]


def test_a_role_is_named_apart_from_the_other(copied: Recipe) -> None:
    assert deps(copied) != replace(copied, role="train").deps_digest(BASE, TORCH)


def test_an_accelerator_without_images_is_refused() -> None:
    with pytest.raises(RefusedError, match="rocm"):
        recipe("train", "rocm")


@pytest.mark.parametrize("role", ROLES)
def test_an_image_for_cuda_is_named_apart_from_the_processors(role: str) -> None:
    cpu, cuda = recipe(role), recipe(role, "cuda")
    assert cpu.deps_digest(BASE, TORCH) != cuda.deps_digest(BASE, TORCH)


def test_vllm_is_stood_in_for_on_the_processor_only() -> None:
    stand_in = "vllm-0.32.0+cpu.dist-info"
    assert any(stand_in in name for name in recipe("lm-eval").deps_files())
    assert not any(stand_in in name for name in recipe("lm-eval", "cuda").deps_files())


def test_the_base_for_cuda_has_a_compiler_for_kernels_made_at_run_time() -> None:
    cpu, cuda = (base_files(recipe_root(), name) for name in ACCELERATORS)
    assert cuda[: len(cpu)] == cpu
    assert "gcc" in cuda[-1].read_text("utf-8").split()
