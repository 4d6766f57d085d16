"""Fetching, building and failing, without an engine and without a network."""

import io
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rdagent.core.settings import load
from rdagent.errors import BuildFailed, ImageUnavailable, InfrastructureError
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.jobs.conf import FTDockerConf
from rdagent.jobs.images import base, build, context, engine, ensure, plan, space, torch_wheel
from rdagent.jobs.images.engine import BuildRequest
from rdagent.jobs.images.pip import PipFailed
from rdagent.jobs.images.recipes import Recipe

REQUIREMENT = "torch==2.13.0+cpu"


class Engine:
    """An engine that knows images by name and makes whatever it is asked for."""

    def __init__(self) -> None:
        self.images: dict[str, str] = {}
        self.built: list[str] = []

    def image_id(self, name: str) -> str | None:
        return self.images.get(name)

    def build(self, request: BuildRequest) -> list[dict[str, str]]:
        self.context = b"".join(request.context)
        self.built.append(request.name)
        self.images[request.name] = f"sha256:{len(self.images)}"
        return [{"stream": "Step 1/1 : FROM base\n"}]

    def remove_name(self, name: str) -> None:
        del self.images[name]

    def point(self, name: str, repository: str, tag: str) -> None:
        self.images[f"{repository}:{tag}"] = self.images[name]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    """A machine with a base, torch and wheels, and an engine that builds at once."""
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RDAGENT_BASE_IMAGE", "given:1")
    found = Engine()
    found.images["given:1"] = "sha256:given"
    for name in ("image_id", "build", "point", "remove_name"):
        monkeypatch.setattr(engine, name, getattr(found, name))
    monkeypatch.setattr(engine, "labels_of", lambda label, value: [])
    monkeypatch.setattr(torch_wheel, "labels_of", lambda label, value: [])
    monkeypatch.setattr(engine, "remove_stage", lambda stage: None)
    monkeypatch.setattr(engine, "storage_folder", lambda: None)
    monkeypatch.setattr(torch_wheel, "run_pip", fake_pip())
    monkeypatch.setattr("rdagent.jobs.images.wheelhouse.run_pip", fake_wheels)
    return found


def fake_pip(requires: str = "sympy") -> Callable[..., None]:
    def run(arguments: list[str], **_: object) -> None:
        folder = Path(arguments[arguments.index("--dest") + 1])
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / "torch-2.13.0+cpu-cp311.whl", "w") as archive:
            name = "torch-2.13.0+cpu.dist-info/METADATA"
            archive.writestr(name, f"Name: torch\nRequires-Dist: {requires} ; extra\n")

    return run


def fake_wheels(arguments: list[str], **_: object) -> None:
    (Path(arguments[arguments.index("--dest") + 1]) / "some-1-py3-none-any.whl").write_bytes(b"w")


def quiet(line: str) -> None:
    """Tell nobody."""


def test_a_first_build_makes_libraries_and_code(made: Engine) -> None:
    image = ensure.ensure_image("train", progress=quiet)
    assert made.built == [image.deps, image.name]
    assert made.images["rdagent-train:latest"] == image.image_id


def test_nothing_is_built_when_nothing_changed(made: Engine) -> None:
    first = ensure.ensure_image("train", progress=quiet)
    again = ensure.ensure_image("train", progress=quiet)
    assert (again.built, again.name, len(made.built)) == (False, first.name, 2)


def test_a_lost_code_layer_is_built_without_the_wheels(made: Engine, tmp_path: Path) -> None:
    image = ensure.ensure_image("train", progress=quiet)
    del made.images[image.name]
    for marker in tmp_path.rglob("complete.json"):
        marker.unlink()
    ensure.ensure_image("train", progress=quiet)
    assert made.built[2:] == [image.name]
    assert not list(tmp_path.rglob("complete.json"))


def test_two_builders_of_one_image_do_not_both_build(made: Engine) -> None:
    threads = [
        threading.Thread(target=ensure.ensure_image, args=("train",), kwargs={"progress": quiet})
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made.built) == 2


def test_preparing_a_build_by_hand_builds_nothing(made: Engine, tmp_path: Path) -> None:
    ensure.prepare_build("train", progress=quiet)
    assert (made.built, plan.plan_image("train").missing) == ([], ("deps", "code"))
    assert list((tmp_path / "cache" / "wheels").glob("train-*/complete.json"))


def test_files_edited_during_a_build_leave_no_image_of_that_name(
    made: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure.ensure_image("train", progress=quiet)
    before = set(made.images)
    digests = iter("abcdef")
    monkeypatch.setattr(Recipe, "code_digest", lambda self, deps: next(digests))
    with pytest.raises(InfrastructureError, match="files changed"):
        ensure.ensure_image("train", progress=quiet)
    assert set(made.images) == before


def test_a_plan_builds_nothing_and_says_what_is_missing(made: Engine) -> None:
    assert plan.plan_image("lm-eval").missing == ("torch", "deps", "code")
    assert made.built == []


def test_an_image_that_was_never_built_has_no_name(made: Engine) -> None:
    with pytest.raises(ImageUnavailable, match="never built"):
        plan.image_name("lm-eval")


def test_a_given_base_that_is_not_there_is_not_pulled(
    made: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RDAGENT_BASE_IMAGE", "elsewhere:1")
    with pytest.raises(ImageUnavailable, match="elsewhere:1"):
        base.known_base()


def test_a_failed_build_says_the_seeds_sentence_and_the_last_lines(
    made: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"stream": f"line {number}\n"} for number in range(30)]
    monkeypatch.setattr(engine, "build", lambda request: [*lines, {"error": "pip \x1b[31mbroke"}])
    with pytest.raises(BuildFailed) as caught:
        ensure.ensure_image("train", progress=quiet)
    message = caught.value.message
    assert message.startswith("Docker build failed")
    assert "line 29\npip broke" in message
    assert "line 5\n" not in message


def test_a_build_keeps_its_whole_output(made: Engine, tmp_path: Path) -> None:
    request = BuildRequest("made:1", "Dockerfile", [], {}, {})
    build.run_build(request, progress=quiet)
    assert "Step 1/1" in (tmp_path / "cache" / "logs" / "made-1.txt").read_text()


def test_a_context_is_a_tar_of_exactly_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_bytes(b"x" * 700)
    (tmp_path / "名字").write_bytes(b"")
    files = {"in/a.sh": tmp_path / "a.sh", "名字": tmp_path / "名字"}
    with tarfile.open(fileobj=io.BytesIO(b"".join(context.stream(files)))) as archive:
        names = [(member.name, member.size, member.mode) for member in archive]
    assert names == [("in/a.sh", 700, 0o755), ("名字", 0, 0o644)]


def test_a_cuda_build_of_torch_is_not_asked_for(made: Engine) -> None:
    asked: list[str] = []

    def none_matches(arguments: list[str], **_: object) -> None:
        asked.extend(arguments)
        raise PipFailed("No matching distribution", hint="", nothing_matches=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_wheel, "run_pip", none_matches)
        with pytest.raises(InfrastructureError, match="no CPU build") as caught:
            torch_wheel.ensure_torch(REQUIREMENT, progress=quiet)
    assert asked[-1] == REQUIREMENT
    assert "RDAGENT_TORCH_INDEX" in caught.value.hint


def test_a_wheel_that_wants_cuda_libraries_is_refused(
    made: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_wheel, "run_pip", fake_pip("nvidia-cublas-cu13==13.0"))
    with pytest.raises(InfrastructureError, match="nvidia-cublas"):
        torch_wheel.ensure_torch(REQUIREMENT, progress=quiet)
    assert torch_wheel.known_torch(REQUIREMENT) is None


def test_a_wheel_without_cuda_libraries_is_refused_for_cuda(
    made: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = REQUIREMENT.removesuffix("+cpu")
    with pytest.raises(InfrastructureError, match="a CPU build of torch"):
        torch_wheel.ensure_torch(plain, progress=quiet)
    monkeypatch.setattr(torch_wheel, "run_pip", fake_pip("nvidia-cublas-cu13==13.0"))
    assert torch_wheel.ensure_torch(plain, progress=quiet)[0].wheel


def test_another_index_is_another_torch(made: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    torch_wheel.ensure_torch(REQUIREMENT, progress=quiet)
    monkeypatch.setenv("RDAGENT_TORCH_INDEX", "file:///elsewhere")
    assert torch_wheel.known_torch(REQUIREMENT) is None


def test_an_images_label_tells_its_torch_when_the_cache_is_gone(
    made: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch, _ = torch_wheel.ensure_torch(REQUIREMENT, progress=quiet)
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "new"))
    monkeypatch.setattr(
        torch_wheel, "labels_of", lambda label, value: [{torch_wheel.TORCH_LABEL: torch.label}]
    )
    assert torch_wheel.known_torch(REQUIREMENT) == torch


def test_too_small_a_disk_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="free at"):
        space.require_space(tmp_path / "not" / "yet", 1 << 60, "build")


def test_naming_images_imports_no_docker_library() -> None:
    code = "import sys, rdagent.jobs.images; sys.exit('docker' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_recipe_of_the_users_own_is_built_once(
    made: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "Dockerfile").write_text("FROM given:1\n")
    monkeypatch.setenv("FT_DOCKER_DOCKERFILE_FOLDER_PATH", str(tmp_path / "mine"))
    first = DockerBackend().ensure("train", progress=quiet)
    again = DockerBackend().ensure("train", progress=quiet)
    assert (first.built, again.built) == (True, False)
    assert made.built == [first.name] == [load(FTDockerConf).chosen_image]
