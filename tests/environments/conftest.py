"""The roles' real virtual environments, made from the images' wheels: no engine is asked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rdagent.jobs.environments import ensure_environment
from rdagent.jobs.spec import ROLES

RDAGENT = (sys.executable, "-m", "rdagent.cli.main")


@pytest.fixture(scope="session")
def environments() -> dict[str, str]:
    """The two environments, made when they are not there."""
    return {role: ensure_environment(role, progress=lambda line: None).name for role in ROLES}


@pytest.fixture(scope="session", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory):
    """A folder with a blank and Chinese characters in its name; nothing looks for an engine."""
    folder = tmp_path_factory.mktemp("no engine 无引擎")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FT_ENV", "local")
        patch.setenv("DOCKER_HOST", "unix:///no/such/socket")
        patch.setenv("FT_FILE_PATH", str(folder / "ft"))
        for name in ("FT_BASE_MODEL", "FT_BENCHMARK_DATASETS", "FT_BENCHMARK_LIMIT"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="session")
def demo(environments: dict[str, str], place: Path) -> subprocess.CompletedProcess[str]:
    """The demo, run once, as a user would who has no engine and has set nothing."""
    return subprocess.run(
        [*RDAGENT, "demo"],
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
        env={**os.environ, "FT_ENV": "auto"},
    )
