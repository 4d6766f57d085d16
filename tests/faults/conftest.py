"""A private engine with a tiny image, jobs to run on it, and a look at what they leave."""

import gc
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rdagent.jobs.backends.docker import DockerBackend
from rdagent.jobs.backends.docker_api import disconnect
from rdagent.jobs.spec import JobSpec, Limits
from rdagent.jobs.supervisor import JobEnd, Watch, run_job
from tests.conftest import REQUIRE_ENGINE
from tests.faults.private_engine import IMAGE, PrivateEngine, cannot_start

HERE = Path(__file__).parent
STATUS = '{"schema": "rdagent.inside-status/1", "reason": "ok", "parts": []}'
WRITE_STATUS = f"printf '%s' '{STATUS}' > status.json"
LIMITS = Limits(
    deadline_seconds=60, grace_seconds=1, memory_bytes=256 << 20, cpus=1, shm_bytes=16 << 20
)


#: docker-py leaves a socket open when nobody listens at its other end.
_ITS_SOCKETS = (
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning",
    "ignore:unclosed <socket:ResourceWarning",
)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent == HERE:
            for pattern in _ITS_SOCKETS:
                item.add_marker(pytest.mark.filterwarnings(pattern))


@pytest.fixture(autouse=True)
def _collected():
    yield
    gc.collect()


@pytest.fixture(scope="session")
def session_engine():
    if reason := cannot_start():
        if REQUIRE_ENGINE:
            pytest.fail(reason)
        pytest.skip(reason)
    engine = PrivateEngine(HERE / "entry.sh")
    try:
        engine.start()
        engine.import_image()
        yield engine
    finally:
        engine.destroy()


@pytest.fixture
def engine(session_engine, monkeypatch):
    """The private engine, up, and the one that this process talks to; it must end up empty."""
    if not session_engine.is_up:
        session_engine.start()
    monkeypatch.setenv("DOCKER_HOST", session_engine.url)
    disconnect()
    yield session_engine
    disconnect()
    if not session_engine.is_up:
        session_engine.start()
    left = [row["Names"] for row in session_engine.containers()]
    for row in session_engine.containers():
        with session_engine.connected() as client:
            client.remove_container(row["Id"], force=True)
    assert left == [], "containers were left"


@dataclass
class Bench:
    """Runs jobs on the private engine, and checks that they leave nothing."""

    engine: PrivateEngine
    folder: Path

    def spec(self, script: str, **changes: object) -> JobSpec:
        limits = {k: changes.pop(k) for k in list(changes) if k in Limits.__slots__}
        spec = JobSpec("lm-eval", ("sh", "-c", script), replace(LIMITS, **limits), image=IMAGE)
        return replace(spec, **changes)

    def run(self, script: str, watch: Watch | None = None, **changes: object) -> JobEnd:
        end = run_job(DockerBackend(), self.spec(script, **changes), self.folder, "fault", watch)
        assert left_behind(self.folder) == []
        return end


@pytest.fixture
def bench(engine, tmp_path) -> Bench:
    return Bench(engine, tmp_path / "attempts")


def left_behind(place: Path) -> list[str]:
    """Temporary files, records of running jobs, markers, and locks that somebody holds."""
    from rdagent.files.locks import is_held

    found = []
    for path in place.rglob("*"):
        if path.name in ("running.json", "cancel", ".reserve", "scratch"):
            found.append(str(path))
        elif path.name.endswith(".lock"):
            found += [str(path)] if is_held(path) else []
        elif path.name.startswith(".") and path.is_file():
            found.append(str(path))
    return found


@dataclass
class Orchestrator:
    """A process of its own that runs one job, to be killed, or to be told what to do."""

    folder: Path
    environment: dict[str, str]

    def begin(self, script: str, *options: str) -> subprocess.Popen:
        argv = [sys.executable, str(HERE / "orchestrator.py"), str(self.folder), script, *options]
        return subprocess.Popen(
            argv, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def ended(self, process: subprocess.Popen, seconds: float = 120) -> dict:
        """Wait for its end and return what it says of it, with its exit code and its stderr."""
        out, err = process.communicate(timeout=seconds)
        said = json.loads(out) if out.strip() else {}
        return {**said, "code": process.returncode, "stderr": err}

    def runs(self) -> list[Path]:
        return sorted(path for path in (self.folder / "runs").iterdir() if path.name[0] != ".")


@pytest.fixture
def orchestrator(engine, tmp_path) -> Orchestrator:
    environment = {**os.environ, "DOCKER_HOST": engine.url, "PYTHONPATH": str(HERE.parents[1])}
    return Orchestrator(tmp_path, environment)
