"""The backends that the conformance suite holds for, and a job to run on them."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rdagent.errors import ImageUnavailable
from rdagent.jobs.backends.base import Backend
from rdagent.jobs.backends.fake import FakeBackend
from rdagent.jobs.backends.local import LocalBackend
from rdagent.jobs.environments import RoleEnvironment
from rdagent.jobs.ready import Ready
from rdagent.jobs.spec import JobSpec, Limits
from rdagent.jobs.supervisor import JobEnd, Watch, run_job
from tests.conformance.programs import CASES, fake_programs

ENVIRONMENT = "rdagent-train-venv:small"


@dataclass
class Bench:
    """A backend, a folder to run in, and an image that has a shell."""

    backend: Backend
    folder: Path
    image: str | None

    def spec(self, case: str | tuple[str, ...], **changes: object) -> JobSpec:
        argv = CASES[case].argv if isinstance(case, str) else case
        limits = Limits(
            deadline_seconds=30, grace_seconds=1, memory_bytes=128 << 20, cpus=1, shm_bytes=16 << 20
        )
        return replace(JobSpec("train", argv, limits, image=self.image), **changes)

    def run(self, case: str | tuple[str, ...], watch: Watch | None = None, **changes) -> JobEnd:
        return run_job(self.backend, self.spec(case, **changes), self.folder, "conformance", watch)

    def limited(self, case: str, **changes: float) -> JobSpec:
        spec = self.spec(case)
        return replace(spec, limits=replace(spec.limits, **changes))


class SmallEnvironments:
    """This machine's own programs in place of a role's libraries."""

    def __init__(self, folder: Path) -> None:
        self._environment = RoleEnvironment(ENVIRONMENT, (), folder / "app 程序", {})

    def name(self, role: str, accelerator: str) -> str:
        return ENVIRONMENT

    def ensure(self, role: str, accelerator: str, *, progress: object) -> Ready:
        return Ready(ENVIRONMENT, built=False, seconds=0.0)

    def find(self, name: str) -> RoleEnvironment:
        if name != ENVIRONMENT:
            raise ImageUnavailable(f"there is no environment {name}")
        return self._environment


@pytest.fixture(params=["fake", "local", pytest.param("docker", marks=pytest.mark.engine)])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    folder = tmp_path / "runs 与 名字"
    if request.param == "fake":
        return Bench(FakeBackend(fake_programs()), folder, None)
    if request.param == "local":
        monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache 缓存"))
        return Bench(LocalBackend(SmallEnvironments(tmp_path)), folder, ENVIRONMENT)
    from rdagent.jobs.backends.docker import DockerBackend

    return Bench(DockerBackend(), folder, request.getfixturevalue("shell_image"))


@pytest.fixture
def cancel_soon() -> Watch:
    watch = Watch()
    threading.Timer(0.7, watch.cancel.set).start()
    return watch
