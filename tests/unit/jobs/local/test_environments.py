"""Virtual environments by content: made once, made whole, of what the images are made of."""

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from rdagent.errors import BuildFailed, ImageUnavailable
from rdagent.jobs.environments import RoleEnvironments, ensure_environment, plan_environment
from rdagent.jobs.environments import install as installing
from rdagent.jobs.environments.code import copy_code
from rdagent.jobs.environments.plan import COMPLETE
from rdagent.jobs.images import torch_wheel
from rdagent.jobs.images.pip import PipFailed
from rdagent.jobs.images.recipes import recipe
from tests.unit.jobs.test_images_build import fake_pip, fake_wheels


class Pip:
    """Counts what it is asked to install, and leaves a module for each wheel."""

    def __init__(self) -> None:
        self.installed: list[list[str]] = []
        self.fails = False

    def __call__(self, arguments: list[str], **_: object) -> None:
        if self.fails:
            raise PipFailed("pip install failed", hint="log", nothing_matches=False)
        self.installed.append(arguments)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pip:
    """A machine without an engine, where pip does at once what it is asked for."""
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache 缓存"))
    monkeypatch.setattr(torch_wheel, "labels_of", lambda *a: pytest.fail("asked an engine"))
    monkeypatch.setattr(torch_wheel, "run_pip", fake_pip())
    monkeypatch.setattr("rdagent.jobs.images.wheelhouse.run_pip", fake_wheels)
    found = Pip()
    monkeypatch.setattr(installing, "run_pip", found)
    return found


def make():
    return ensure_environment("train", progress=lambda line: None)


def test_an_environment_is_made_once(pip):
    first, again = make(), make()
    assert (first.built, again.built) == (True, False)
    assert first.name == again.name
    assert len(pip.installed) == 1


def test_it_is_filled_with_the_images_wheels_and_nothing_is_fetched(pip):
    make()
    (words,) = pip.installed
    assert [Path(w).name for w in words if w.endswith(".whl")] == [
        "some-1-py3-none-any.whl",
        "torch-2.13.0+cpu-cp311.whl",
    ]
    assert {"--no-deps", "--no-index"} <= set(words)


def test_it_has_a_python_the_stand_ins_and_the_images_part_of_our_code(pip, tmp_path):
    make()
    environment = RoleEnvironments().find(plan_environment("train").name)
    python = Path(environment.programs[0]) / "python"
    script = (
        "import importlib.util, torchaudio, rdagent.inside.train\n"
        "print(importlib.util.find_spec('rdagent.jobs'))"
    )
    done = subprocess.run(
        [python, "-c", script],
        env=environment.variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None"
    assert (environment.app / "train_entrypoint.sh").is_file()


def test_a_half_made_environment_is_never_used_and_begun_anew(pip):
    make()
    plan = plan_environment("train")
    (plan.libraries / COMPLETE).unlink()
    (plan.libraries / "rubbish").write_text("x")
    with pytest.raises(ImageUnavailable):
        RoleEnvironments().find(plan.name)
    assert plan_environment("train").missing == ("libraries",)
    assert make().built
    assert not (plan.libraries / "rubbish").exists()


def test_an_environment_whose_python_is_gone_is_made_again(pip):
    make()
    python = plan_environment("train").libraries / "bin" / "python"
    python.unlink()
    python.symlink_to("/no/such/python")
    assert make().built
    assert python.exists()


def test_a_failed_installation_is_a_failed_build_and_leaves_nothing_that_is_used(pip):
    pip.fails = True
    with pytest.raises(BuildFailed, match="environment of train"):
        make()
    assert "libraries" in plan_environment("train").missing
    pip.fails = False
    assert make().built


def test_two_makers_make_it_once(pip):
    ends = []
    threads = [threading.Thread(target=lambda: ends.append(make())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({end.name for end in ends}) == 1
    assert len(ends) == 3
    assert len(pip.installed) == 1


def test_a_change_of_code_makes_no_libraries_anew(pip, monkeypatch):
    before = make()
    monkeypatch.setattr(
        "rdagent.jobs.images.recipes.Recipe.code_digest", lambda self, deps: "0123456789abcdef"
    )
    after = make()
    assert after.built
    assert before.name != after.name
    assert len(pip.installed) == 1


@pytest.mark.parametrize("what", ["lock", "torch", "python"])
def test_libraries_are_named_by_all_that_they_are_made_of(pip, what, monkeypatch, tmp_path):
    make()
    before = plan_environment("train").libraries
    if what == "lock":
        monkeypatch.setattr("rdagent.jobs.environments.plan.tree_digest", lambda *a: "other")
    elif what == "python":
        monkeypatch.setattr("platform.python_version", lambda: "3.11.99")
    else:
        (record,) = (tmp_path / "cache 缓存" / "torch").glob("*.json")
        record.write_text(record.read_text().replace('"sha256": "', '"sha256": "0'))
    assert plan_environment("train").libraries != before


def test_a_role_that_was_never_made_has_no_name(pip):
    with pytest.raises(ImageUnavailable, match="never made here") as caught:
        RoleEnvironments().name("train", "cpu")
    assert "rdagent build --env local" in caught.value.hint


def test_an_image_named_for_containers_is_refused_with_what_to_do(pip):
    make()
    with pytest.raises(ImageUnavailable) as caught:
        RoleEnvironments().find("my-own-image:latest")
    assert "BENCHMARK_DOCKER_IMAGE" in caught.value.hint


def test_a_copy_of_the_code_that_another_made_meanwhile_is_kept(tmp_path, monkeypatch):
    folder = tmp_path / "code"
    real = Path.rename

    def late(aside, target):
        shutil.copytree(aside, target)  # the other maker's, a moment before ours
        return real(aside, target)

    monkeypatch.setattr(Path, "rename", late)
    copy_code(recipe("train"), folder)
    assert (folder / "app" / "train_entrypoint.sh").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["code"]
