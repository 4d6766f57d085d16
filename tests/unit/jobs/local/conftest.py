"""Local jobs in a small environment: this machine's own programs."""

from dataclasses import replace

import pytest

from rdagent.jobs.backends.local import LocalBackend
from rdagent.jobs.spec import JobSpec, Limits
from tests.conformance.conftest import ENVIRONMENT, SmallEnvironments

LIMITS = Limits(deadline_seconds=60, grace_seconds=1, memory_bytes=256 << 20, cpus=1)


@pytest.fixture(autouse=True)
def _place(monkeypatch, tmp_path):
    monkeypatch.setenv("RDAGENT_CACHE", str(tmp_path / "cache 缓存"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def backend(tmp_path):
    return LocalBackend(SmallEnvironments(tmp_path))


@pytest.fixture
def spec():
    def make(script, **changes):
        return replace(JobSpec("train", ("sh", "-c", script), LIMITS, image=ENVIRONMENT), **changes)

    return make
