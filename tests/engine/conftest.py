"""Real images, a real adapter: made once, used by every test of this folder."""

from pathlib import Path

import pytest
import yaml

from rdagent.demo import mini_home, paths
from rdagent.jobs.backends.base import FoundJob
from rdagent.jobs.backends.docker import DockerBackend
from rdagent.jobs.images import ensure_image
from rdagent.jobs.spec import ROLES
from rdagent.training.run import Trained, TrainingRequest, run

STEPS = 12


def jobs_under(place: Path) -> list[FoundJob]:
    """The jobs that the engine still knows and whose files lie under ``place``."""
    found = DockerBackend().found()
    return [job for job in found if job.labels.get("io.rdagent.folder", "").startswith(str(place))]


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """The two images, built when they are not there."""
    return {role: ensure_image(role, progress=lambda line: None).name for role in ROLES}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a blank and Chinese characters in its name, for everything written here."""
    return tmp_path_factory.mktemp("real runs 真实")


@pytest.fixture(scope="session", autouse=True)
def _settings(place: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FT_FILE_PATH", str(place / "ft"))
        for name in ("FT_BASE_MODEL", "FT_BENCHMARK_DATASETS", "FT_BENCHMARK_LIMIT"):
            patch.delenv(name, raising=False)
        yield


def make_workspace(folder: Path, **changes: object) -> Path:
    """Write the demo's training files, with changed settings."""
    folder.mkdir(parents=True)
    mini_home.write_training_data(folder)
    config = yaml.safe_load(paths.TRAIN_CONFIG.read_text(encoding="utf-8"))
    config.update({"max_steps": STEPS, "logging_steps": 2, **changes})
    (folder / "train.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def trained(images: dict[str, str], place: Path) -> Trained:
    """A short, real training of the demo's model."""
    workspace = make_workspace(place / "workspace")
    before = (workspace / "train.yaml").read_bytes()
    seen = []
    result = run(
        TrainingRequest(workspace, base_model=str(paths.MODEL)), DockerBackend(), follow=seen.append
    )
    assert (workspace / "train.yaml").read_bytes() == before
    assert seen, "no progress was seen"
    assert seen[-1].total_steps == STEPS
    return result
